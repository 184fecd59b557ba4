"""Servers that are not ours, unpacked by tools/peers.py and never installed: on loopback, with a folder of their own, stopped by pid."""
import socket
import ssl

from harness import *

sys.path.insert(0, str(ROOT / "tools"))
import peers


def program(name, which):
    """(path, environment) of a program of a package; skips the story where the package cannot be had."""
    try:
        return peers.peer(name, which)
    except peers.Missing as why:
        skip(str(why))


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Peer:
    """A server in the foreground; what it says goes to NAME.log of its folder's parent, which a failed story shows."""

    def __init__(self, folder, command, environment, port):
        self.folder, self.port = Path(folder), port
        self.log = open(str(folder) + ".log", "ab")
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, env=environment, cwd=folder)
        atexit.register(self.stop)
        wait_for(f"{Path(command[0]).name} listens on {port}", lambda: self.process.poll() is not None or listens(port))
        assert self.process.poll() is None, Path(self.log.name).read_text(errors="replace")[-2000:]

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.process.wait()


class Nginx(Peer):
    """`server`: what stands within its one server block. PORT in it is the port."""

    def __init__(self, folder, server, http=""):
        self.path, environment = program("nginx", "nginx")
        folder = Path(folder)
        folder.mkdir()
        port = free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""
        (folder / "nginx.conf").write_text(
            f"{user}daemon off;\npid nginx.pid;\nerror_log error.log info;\nworker_processes 1;\nevents {{ worker_connections 1024; }}\n"
            "http {\n  access_log access.log;\n  client_body_temp_path tmp;\n  proxy_temp_path tmp;\n  fastcgi_temp_path tmp;\n"
            f"  uwsgi_temp_path tmp;\n  scgi_temp_path tmp;\n  {http}\n  server {{ {server.replace('PORT', str(port))} }}\n}}\n")
        super().__init__(folder, [self.path, "-e", str(folder / "error.log"), "-p", str(folder) + "/", "-c", str(folder / "nginx.conf")],
                         environment, port)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def requests(self):
        """The lines of its access log."""
        return (self.folder / "access.log").read_text().splitlines()
