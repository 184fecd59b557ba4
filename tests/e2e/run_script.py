"""./run, with and without --demo: what it prints to be pasted works when it is pasted, and Ctrl-C ends it well."""
import pty
import select
import socket

from harness import *


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Terminal:
    def __init__(self, folder, *words):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            os.execvpe(words[0], words, {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")})
        atexit.register(self.kill)
        self.text = ""

    def read_until(self, what, seconds=60):
        until = time.monotonic() + seconds
        while what not in self.text:
            ready, _, _ = select.select([self.fd], [], [], max(0, until - time.monotonic()))
            assert ready, f"{what!r} did not come:\n{self.text}"
            self.text += os.read(self.fd, 65536).decode(errors="replace").replace("\r", "")

    def interrupt(self):
        os.write(self.fd, b"\x03")
        while True:
            try:
                piece = os.read(self.fd, 65536)
            except OSError:  # how Linux says that the other side has gone
                break
            if not piece:
                break
            self.text += piece.decode(errors="replace").replace("\r", "")
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.pid = 0
        return status

    def kill(self):
        if self.pid:
            os.killpg(self.pid, signal.SIGKILL)


def paste(command):
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE_")}
    done = subprocess.run(command, shell=True, cwd="/", env=environment, capture_output=True, text=True, check=False, timeout=60)
    # A machine may have faults that doctor finds.
    assert done.returncode == 0 or (" doctor " in command and done.returncode == 1), f"{command}\n{done.stdout}{done.stderr}"
    return done.stdout


def run(folder):
    tree = folder / "a tree"
    (tree / "tools").mkdir(parents=True)
    (tree / "build/release/bin").mkdir(parents=True)
    (tree / "build/release/bin/millrace").symlink_to(Path(MILLRACE).resolve())
    shutil.copy(ROOT / "run", tree / "run")
    shutil.copy(ROOT / "tools/hold_listener.py", tree / "tools/hold_listener.py")
    for name in ("install.sh", "build.sh"):  # it is installed and built
        (tree / "tools" / name).write_text("#!/bin/sh\n")
        (tree / "tools" / name).chmod(0o755)

    plain = Terminal(tree, "./run", "--listen", f"127.0.0.1:{free_port()}")
    plain.read_until("listening on ")
    pasted = [line.strip() for line in plain.text.splitlines() if " --data " in line]
    assert len(pasted) == 3, plain.text
    for command in pasted:
        paste(command)
    assert plain.interrupt() == 0, plain.text

    demo = Terminal(tree, "./run", "--demo", "--listen", f"127.0.0.1:{free_port()}")
    demo.read_until("attempts ")
    demo.read_until("accepted ")
    lines = [line.split(maxsplit=2 if line.strip().startswith("data") else 1)[-1] for line in demo.text.splitlines() if " --server " in line]
    assert len(lines) == 2, demo.text
    assert "active" in paste(lines[0]), demo.text
    wait_for("an attempt is shown", lambda: "delivered" in paste(lines[1]))
    assert demo.interrupt() == 0, demo.text
    ended = demo.text.split("It has stopped", 1)[1]
    assert "streams list" not in ended and " serve --data " in ended, ended


story(run)
