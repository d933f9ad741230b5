import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/**
 * What a proxy does with what comes from the hub: hands it on; lets it fall silent, with connections that stay open; or
 * hands on the head of an answer and holds back the rest.
 */
type Manner = 'passes' | 'silent' | 'holds';

interface ProxyOptions {
  /** With a slash at both ends. It is taken off, as nginx does for `location /wind/ { proxy_pass http://hub/; }`. */
  prefix?: string;
  /** Paths of the hub that the manner is for. */
  applies?: (path: string) => boolean;
}

/** A proxy before a hub, as people have one, and as networks behave. */
export class ReverseProxy {
  manner: Manner = 'passes';
  /** Every path that was asked of it. */
  readonly asked: string[] = [];
  private readonly server: Server;
  private readonly prefix: string;
  private readonly applies: (path: string) => boolean;

  constructor(
    private readonly hub: string,
    { prefix = '/', applies = () => true }: ProxyOptions = {},
  ) {
    this.prefix = prefix;
    this.applies = applies;
    this.server = createServer((asked, answer) => this.pass(asked, answer));
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }

  /** Where the panel is, with a slash at its end. */
  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}${this.prefix}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  private pass(asked: IncomingMessage, answer: ServerResponse): void {
    const url = asked.url ?? '/';
    this.asked.push(url);
    if (`${url}/` === this.prefix) {
      answer.writeHead(301, { Location: this.prefix }).end();
      return;
    }
    if (!url.startsWith(this.prefix)) {
      answer.writeHead(404).end('nothing of the hub is here\n');
      return;
    }
    const path = `/${url.slice(this.prefix.length)}`;
    const manner = (): Manner => (this.applies(path) ? this.manner : 'passes');
    if (manner() === 'silent') return;
    const onward = request(`${this.hub}${path}`, { method: asked.method ?? 'GET', headers: asked.headers }, (given) => {
      answer.writeHead(given.statusCode ?? 502, given.headers);
      answer.flushHeaders();
      given.on('data', (piece: Buffer) => {
        if (manner() === 'passes') answer.write(piece);
      });
      given.on('end', () => {
        if (manner() === 'passes') answer.end();
      });
      given.on('error', () => answer.destroy());
    });
    onward.on('error', () => {
      if (!answer.headersSent) answer.writeHead(502, { 'Content-Type': 'text/html' }).end('<h1>502 Bad Gateway</h1>');
    });
    answer.on('close', () => onward.destroy());
    asked.pipe(onward);
  }
}
