"""Runs LocalStack, a second local AWS that shares no code of ours and little with moto, in host mode.

    python localstack.py     serve on a free loopback port, which is written to file descriptor 3 as one line; ends when
                             standard input is closed, so that it never outlives who started it

It emulates nothing: where LocalStack and AWS differ, the tests' list of known differences says so.
"""

import os
import shutil
import socket
import sys
import tempfile
import threading

ACCOUNT = "123456789012"  # as emulation.py's

# A file of this name stands in this directory, which Python puts first: the package is meant.
sys.path.pop(0)


def end_with_parent(root: str) -> None:
    while os.read(0, 1024):  # ends when the parent, which holds the other end, is gone
        pass
    shutil.rmtree(root, ignore_errors=True)
    os._exit(0)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def serve(root: str) -> None:
    port = free_port()
    os.environ |= {
        "GATEWAY_LISTEN": f"127.0.0.1:{port}",
        "FILESYSTEM_ROOT": root,
        "DISABLE_EVENTS": "1",  # it reports its use to its makers otherwise
        "SKIP_SSL_CERT_DOWNLOAD": "1",
        "DNS_ADDRESS": "0",
        "LOCALSTACK_HOST": f"localhost:{port}",
    }
    from localstack import constants

    constants.DEFAULT_AWS_ACCOUNT_ID = ACCOUNT  # that of every access key which is no account id

    from localstack.logging.setup import setup_logging_from_config
    from localstack.runtime import current

    setup_logging_from_config()
    runtime = current.initialize_runtime()

    def report() -> None:
        runtime.ready.wait()
        with os.fdopen(3, "w") as out:
            print(port, file=out)

    threading.Thread(target=report, daemon=True).start()
    runtime.run()


if __name__ == "__main__":
    files = tempfile.mkdtemp(prefix="icaguard-localstack-")
    threading.Thread(target=end_with_parent, args=(files,), daemon=True).start()
    serve(files)
