#!/usr/bin/env python3
"""Holds a listening socket and runs a program on it, as systemd's socket activation does.

usage: hold_listener.py ADDRESS:PORT PROGRAM [ARGUMENT...]

The program gets the socket as file descriptor 3, with LISTEN_FDS and LISTEN_PID set. When it dies without being asked to,
it is started again, at most five times in a minute; meanwhile connections wait in the socket's queue. SIGTERM and SIGINT are
passed on and end it; SIGHUP restarts the program on the same socket.
"""
import os
import signal
import socket
import sys
import time


def start(listener, command):
    pid = os.fork()
    if pid:
        return pid
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    os.dup2(listener.fileno(), 3)
    os.set_inheritable(3, True)
    environment = dict(os.environ, LISTEN_FDS="1", LISTEN_PID=str(os.getpid()))
    try:
        os.execve(command[0], command, environment)
    except OSError as error:
        print(f"millrace: {command[0]}: cannot be started: {error.strerror}", file=sys.stderr)
        os._exit(3)


def main():
    if len(sys.argv) < 3:
        print(__doc__.strip(), file=sys.stderr)
        return 2
    address, command = sys.argv[1], sys.argv[2:]
    host, _, port = address.rpartition(":")
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host.strip("[]"), int(port)))
        listener.listen(4096)
    except (OSError, ValueError) as error:
        print(f"millrace: cannot listen on {address}: {error}; is it running already?", file=sys.stderr)
        return 3

    stopping = False
    restarting = False
    child = 0

    def pass_on(number, _frame):
        nonlocal stopping, restarting
        if number == signal.SIGHUP:
            restarting = True
            number = signal.SIGTERM
        else:
            stopping = True
        if child:
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass  # it ended in this moment: waitpid tells

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, pass_on)

    deaths = []
    while not stopping:
        child = start(listener, command)
        _, status = os.waitpid(child, 0)
        code = os.waitstatus_to_exitcode(status)
        child = 0
        if stopping or code == 2 or (code in (0, 3) and not restarting):
            return code if code >= 0 else 128 - code
        if not restarting:
            now = time.monotonic()
            deaths = [at for at in deaths if now - at < 60] + [now]
            if len(deaths) > 5:
                print("millrace: it died more than five times in a minute; not started again", file=sys.stderr)
                return 1
            print(f"millrace: it died ({'signal ' + str(-code) if code < 0 else 'status ' + str(code)}); starting it again", file=sys.stderr)
        restarting = False
    return 0


if __name__ == "__main__":
    sys.exit(main())
