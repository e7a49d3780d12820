# SPDX-License-Identifier: MIT
"""A package index on the loopback: index-server.py WHEELS [USER:PASSWORD]

Prints its port, and then one line for each request: its status and path. With a user it wants
basic authentication; asked as a proxy (with a whole URL), it wants that for itself and answers
for every host. It ends when its stdin does.
"""

import base64
import http.server
import os
import sys
import threading

wheels = sys.argv[1]
credentials = (
    "Basic " + base64.b64encode(sys.argv[2].encode()).decode() if len(sys.argv) > 2 else None
)


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path = self.path
        header, status = "Authorization", 401
        if path.startswith("http://"):
            path = "/" + path.split("/", 3)[3]
            header, status = "Proxy-Authorization", 407
        if credentials is not None and self.headers.get(header) != credentials:
            self.answer(status, b"", "text/plain", [("WWW-Authenticate", 'Basic realm="test"')])
            return
        parts = path.strip("/").split("/")
        if len(parts) == 2 and parts[0] == "simple":
            self.list(parts[1])
        elif (
            len(parts) == 2
            and parts[0] == "files"
            and os.path.exists(os.path.join(wheels, parts[1]))
        ):
            with open(os.path.join(wheels, parts[1]), "rb") as file:
                self.answer(200, file.read(), "application/octet-stream")
        else:
            self.answer(404, b"", "text/plain")

    do_HEAD = do_GET

    def list(self, name):
        names = sorted(file for file in os.listdir(wheels) if file.startswith(name + "-"))
        if not names:
            self.answer(404, b"", "text/plain")
            return
        links = "".join(f'<a href="/files/{file}">{file}</a>\n' for file in names)
        self.answer(200, f"<!DOCTYPE html><html><body>{links}</body></html>".encode(), "text/html")

    def answer(self, status, body, kind, headers=()):
        print(status, self.path, flush=True)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for header in headers:
            self.send_header(*header)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *arguments):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
