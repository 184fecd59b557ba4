"""The first stream of the README, pasted line by line into a shell of a terminal: every line works, and the event lies in a file.

The text of README.md is what runs. Its ports are fixed, so it runs in a network of its own where that is allowed (root), else on this
machine's loopback if both ports are free.
"""
import fcntl
import pty
import select
import socket
import struct

from harness import *

PORTS = (8080, 9000)
INSIDE = "MILLRACE_README_INSIDE"


def blocks_of(heading):
    """The fenced blocks of a section of README.md, each as a list of lines."""
    section = (ROOT / "README.md").read_text().split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]
    return [block.strip("\n").split("\n") for block in re.findall(r"^```[a-z]*\n(.*?)^```$", section, re.M | re.S)]


def raise_loopback():
    with socket.socket() as any_socket:
        fcntl.ioctl(any_socket, 0x8914, struct.pack("16sH14s", b"lo", 0x1 | 0x40, b""))  # SIOCSIFFLAGS: up, running


def is_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def enter_network():
    """Starts this story again in a network namespace; comes back in it, or where there can be none."""
    if os.environ.get(INSIDE):
        raise_loopback()
    elif subprocess.run(["unshare", "-n", "true"], capture_output=True, check=False).returncode == 0:
        os.execvpe("unshare", ["unshare", "-n", sys.executable, "-u", *sys.argv], dict(os.environ, **{INSIDE: "yes"}))
    elif not all(map(is_free, PORTS)):
        skip("no network of its own (not root), and port 8080 or 9000 of this machine is taken")


class Shell:
    """An interactive shell in a terminal, as a newcomer has it."""

    def __init__(self, folder):
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            os.chdir(folder)
            environment = {k: v for k, v in os.environ.items() if not k.startswith("MILLRACE")}
            os.execvpe("bash", ["bash", "--norc", "--noprofile", "-i"], dict(environment, PS1="<$?>", PS2="<more>", TERM="dumb"))
        fcntl.ioctl(self.terminal, 0x5414, struct.pack("HHHH", 50, 400, 0, 0))  # TIOCSWINSZ: wide, so that no line is broken
        self.seen = ""
        self.answer()

    def answer(self, seconds=90):
        """What came until the next prompt, and the status that it tells."""
        until = time.monotonic() + seconds
        text = ""
        while not (prompt := re.search(r"<(\d+|more)>$", text)):
            ready, _, _ = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
            assert ready, f"no prompt within {seconds} s:\n{self.seen}{text}"
            text += os.read(self.terminal, 65536).decode(errors="replace")
        self.seen += text
        return text[: prompt.start()], prompt.group(1)

    def paste(self, line):
        os.write(self.terminal, line.encode() + b"\n")
        text, status = self.answer()
        assert status == "0", f"{line}\nended with {status}:\n{self.seen}"
        return text


def run(folder):
    enter_network()
    (folder / "build/release/bin").mkdir(parents=True)
    (folder / "build/release/bin/millrace").symlink_to(MILLRACE)
    first, stop = blocks_of("A first stream")
    shell = Shell(folder.path)
    try:
        said = {line: shell.paste(line) for line in first}
        text = "".join(said.values())
        assert "Delivered: 200" in text and "Sent 20 events." in text, shell.seen
        assert "delivered" in next(answer for line, answer in said.items() if line.startswith("millrace attempts")), shell.seen
        shown = json.loads(said[first[-1]].split("\n", 1)[1])
        assert shown["metadata"]["root_account_uuid"] == "my-school" and "body" in shown, shown
        files = wait_for("all events are files", lambda: (lambda f: f if len(f) == 21 else None)(list((folder / "first/received").rglob("*.json"))))
        assert sum(json.loads(file.read_text())["metadata"].get("test") is True for file in files) == 1, files
        for line in stop:
            shell.paste(line)
        wait_for("both have ended", lambda: all(map(is_free, PORTS)))
        assert not (folder / "first").exists()
    finally:
        os.kill(shell.pid, signal.SIGHUP)
        os.close(shell.terminal)
        os.waitpid(shell.pid, 0)


story(run)
