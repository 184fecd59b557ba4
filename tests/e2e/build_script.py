"""tools/build.sh beside a stand-in for cmake: a terminal sees each step, a log file only begin and end, a failure its errors."""
import pty

from harness import *

CMAKE = """#!/bin/bash
if [ "$1" = --preset ]; then exit 0; fi
echo "[0/2] Re-checking globbed directories..."
echo "[1/2] Building CXX object src/CMakeFiles/cli.dir/cli/main.cc.o"
if [ -e broken ]; then
  echo "FAILED: src/CMakeFiles/cli.dir/cli/serve.cc.o"
  echo "../../src/cli/serve.cc:7:9: error: use of undeclared identifier 'y'"
  echo "    7 | int x = y;"
  exit 1
fi
echo "[2/2] Linking CXX executable bin/millrace"
"""


def on_terminal(command, folder, environment):
    """What a terminal of 40 columns gets, and the exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.chdir(folder.path)
        os.execvpe("bash", ["bash", "-c", "stty cols 40; exec " + command], environment)
    text = b""
    while True:
        try:
            piece = os.read(terminal, 4096)
        except OSError:  # how Linux says that the other side has gone
            break
        if not piece:
            break
        text += piece
    return text.decode(), os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run(folder):
    (folder / "tools").mkdir()
    (folder / "bin").mkdir()
    shutil.copy(ROOT / "tools/build.sh", folder / "tools/build.sh")
    (folder / "bin/cmake").write_text(CMAKE)
    (folder / "bin/cmake").chmod(0o755)
    environment = dict(os.environ, PATH=f"{folder / 'bin'}:{os.environ['PATH']}", TERM="xterm")

    def to_file():
        return subprocess.run(["tools/build.sh", "quick"], cwd=folder.path, env=environment, capture_output=True, text=True, check=False, timeout=60)

    text, status = on_terminal("tools/build.sh quick", folder, environment)
    assert status == 0 and "[1/2] src/CMakeFiles/cli.dir/cli" in text and "[2/2] bin/millrace" in text, text
    assert all(len(part) <= 39 for part in text.split("\r\033[K")[1:-1]), text
    quiet = to_file()
    assert quiet.returncode == 0 and len(quiet.stdout.splitlines()) == 2 and "[" not in quiet.stdout, quiet.stdout
    assert "[2/2] Linking" in (folder / "build/quick.log").read_text()

    (folder / "broken").touch()
    failed = to_file()
    assert failed.returncode == 1 and "undeclared identifier 'y'" in failed.stderr and "build/quick.log" in failed.stderr, failed.stderr
    text, status = on_terminal("tools/build.sh quick", folder, environment)
    assert status == 1 and "undeclared identifier 'y'" in text, text


story(run)
