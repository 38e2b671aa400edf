#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""receiver.py DIR [--tls CERTIFICATE KEY] [--slow SECONDS] [--status CODE]: takes what is posted, for tests of who is told what.

Each body becomes DIR/<number>.json, whole or not at all; `ready PORT` is printed when it listens on 127.0.0.1. Any number are served at once; `--slow` waits that
long before it answers.
"""
import argparse
import http.server
import os
import ssl
import threading
import time

parser = argparse.ArgumentParser()
parser.add_argument("dir")
parser.add_argument("--tls", nargs=2)
parser.add_argument("--slow", type=float, default=0)
parser.add_argument("--status", type=int, default=200)
args = parser.parse_args()
lock = threading.Lock()
taken = 0


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        global taken
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        time.sleep(args.slow)
        with lock:
            taken += 1
            path = os.path.join(args.dir, f"{taken}.json")
            with open(path + ".tmp", "wb") as f:
                f.write(body)
            os.rename(path + ".tmp", path)
        self.send_response(args.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        pass  # a client that does not like our certificate


server = Server(("127.0.0.1", 0), Handler)
if args.tls:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*args.tls)
    # the handshake in the connection's own thread: one that hangs holds up no other
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
print("ready", server.server_port, flush=True)
server.serve_forever()
