import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A message as a webhook sends it. */
export interface Told {
  key: string;
  status: string;
  severity: string;
  rule: { id: number; name: string } | null;
  count: number;
  servers: { id: number; name: string; value: number | null }[];
}

/** Somebody who is told of alerts: keeps every message of a webhook. */
export class Receiver {
  readonly told: Told[] = [];
  private readonly server: Server;

  constructor() {
    this.server = createServer((asked, answer) => {
      let body = '';
      asked.setEncoding('utf8');
      asked.on('data', (piece: string) => {
        body += piece;
      });
      asked.on('end', () => {
        this.told.push(JSON.parse(body) as Told);
        answer.writeHead(204).end();
      });
    });
  }

  async start(): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/alerts`;
  }

  /** What was told of the rule of that name, the oldest first. */
  statusesOf(rule: string): string[] {
    return this.told.filter((one) => one.rule?.name === rule).map(({ status }) => status);
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
