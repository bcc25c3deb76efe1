"""An SMTP server that takes every mail and forgets it: the relay behind Dovecot's submission."""

import socketserver
import threading


class _Session(socketserver.StreamRequestHandler):
    def handle(self):
        say = lambda text: self.wfile.write(text.encode() + b"\r\n")
        say("220 sink ESMTP")
        while line := self.rfile.readline():
            word = line.split(b" ")[0].strip().upper()
            if word in (b"EHLO", b"LHLO"):
                say("250-sink\r\n250-PIPELINING\r\n250 8BITMIME")
            elif word == b"DATA":
                say("354 go on")
                while (line := self.rfile.readline()) and line.rstrip(b"\r\n") != b".":
                    pass
                say("250 2.0.0 taken")
            elif word == b"QUIT":
                say("221 bye")
                return
            else:
                say("250 2.0.0 ok")


class SmtpSink:
    def __init__(self, host="127.0.0.1"):
        self.server = socketserver.ThreadingTCPServer((host, 0), _Session)
        self.server.daemon_threads = True
        self.address = self.server.server_address
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
