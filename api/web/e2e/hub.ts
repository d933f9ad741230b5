import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { stripVTControlCharacters } from 'node:util';

import { type APIRequestContext, type APIResponse, expect, type Page, request, test as base } from '@playwright/test';

export const BIN_DIR = resolve(
  process.env.BIN_DIR ?? fileURLToPath(new URL('../../../target/release', import.meta.url)),
);

const START_TIMEOUT_MS = 60_000;

interface Addresses {
  http: string;
  quic: string;
}

/** A hub of its own, with its data folder and its agents. */
export class Hub {
  private readonly data = mkdtempSync(join(tmpdir(), 'windfire-e2e-'));
  private readonly children: ChildProcess[] = [];
  private process: ChildProcess | null = null;
  private addresses: Addresses = { http: '127.0.0.1:0', quic: '127.0.0.1:0' };
  /** Known once the hub is ready. */
  fingerprint = '';
  /** The path below which it has everything, without a slash at its end. */
  private basePath = '';
  /** Of the user "admin", as the hub says it once. */
  password = '';

  constructor(private readonly options: readonly string[] = []) {}

  get origin(): string {
    return `http://${this.addresses.http}`;
  }

  /** Where it has the panel, without a slash at its end. */
  get url(): string {
    return `${this.origin}${this.basePath}`;
  }

  /** Makes a day of history that ended so many minutes ago, before the first start. */
  makeHistory(servers: number, minutesAgo: number): void {
    const options = [
      '--servers',
      `${servers}`,
      '--days',
      '1',
      '--minutes-ago',
      `${minutesAgo}`,
      '--interval-ms',
      '10000',
    ];
    execFileSync(join(BIN_DIR, 'windfire-bench'), ['month', '--data', this.data, ...options]);
  }

  /** Starts the hub; again on the ports that it had. */
  async start(): Promise<void> {
    const { http, quic } = this.addresses;
    const child = spawn(
      join(BIN_DIR, 'windfire'),
      // A day of history was made without a hub, and so without a certificate.
      ['serve', '--new-certificate', '--data', this.data, '--http', http, '--quic', quic, ...this.options],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, NO_COLOR: '1' } },
    );
    this.process = child;
    let said = '';
    // It comes on another pipe than the line that says "ready", and may be later here.
    const passwordSaid = new Promise<void>((done) => {
      child.stdout.on('data', (bytes: Buffer) => {
        this.password = /user admin, password (\S+)/.exec(String(bytes))?.[1] ?? this.password;
        done();
      });
    });
    await new Promise<void>((ready, failed) => {
      const fail = (why: string): void => failed(new Error(`${why}\n${said}`));
      const timer = setTimeout(() => fail('the hub is not ready in time'), START_TIMEOUT_MS);
      child.on('error', (error) => fail(error.message));
      child.on('exit', (code) => fail(`the hub ended with ${code}`));
      child.stderr.on('data', (bytes: Buffer) => {
        said += stripVTControlCharacters(String(bytes));
        const line = / ready .*/.exec(said)?.[0];
        if (line === undefined || !said.includes('\n', said.indexOf(line))) return;
        clearTimeout(timer);
        const url = new URL(valueIn(line, 'http'));
        this.addresses = { http: url.host, quic: valueIn(line, 'quic') };
        this.basePath = url.pathname.slice(0, -1);
        this.fingerprint = valueIn(line, 'fingerprint');
        ready();
      });
    });
    if (this.password === '') await passwordSaid;
  }

  /** Lets it stand still, with connections that stay open, as a machine that swaps or is suspended. */
  freeze(): void {
    this.process?.kill('SIGSTOP');
  }

  thaw(): void {
    this.process?.kill('SIGCONT');
  }

  async stop(): Promise<void> {
    this.thaw();
    await ended(this.process);
    this.process = null;
  }

  /** Runs a command line as somebody would who copied it from the panel; until the hub is disposed of. */
  runCommand(command: string): { stop: () => Promise<void> } {
    const env = { ...process.env, PATH: `${BIN_DIR}:${process.env.PATH}` };
    const child = spawn('bash', ['-c', `exec env ${command}`], { stdio: 'ignore', env });
    this.children.push(child);
    return { stop: () => ended(child) };
  }

  /** Ends everything and removes the data. */
  async dispose(): Promise<void> {
    await Promise.all(this.children.map(ended));
    await this.stop();
    rmSync(this.data, { recursive: true, force: true });
  }
}

function valueIn(line: string, key: string): string {
  const value = new RegExp(` ${key}="?([^"\\s]+)`).exec(line)?.[1];
  if (value === undefined) throw new Error(`no ${key} in: ${line}`);
  return value;
}

async function ended(child: ChildProcess | null): Promise<void> {
  if (!child || child.exitCode !== null || child.signalCode !== null) return;
  const exit = new Promise((done) => child.once('exit', done));
  child.kill('SIGTERM');
  await exit;
}

interface Credential {
  id: number;
  credential: string;
}

/** The hub's interface with a session of a user. */
export class Api {
  private constructor(
    private readonly context: APIRequestContext,
    private readonly url: string,
    private readonly csrf: string,
  ) {}

  static async signedIn(hub: Hub, user = 'admin', password = hub.password): Promise<Api> {
    const context = await request.newContext();
    const url = `${hub.url}/api/v1`;
    const answer = await context.post(`${url}/session`, { data: { user, password } });
    expect(answer.ok(), await answer.text()).toBe(true);
    const { result } = (await answer.json()) as { result: { csrf: string } };
    return new Api(context, url, result.csrf);
  }

  send(method: string, path: string, data?: unknown): Promise<APIResponse> {
    const headers = { 'X-CSRF-Token': this.csrf };
    return this.context.fetch(`${this.url}${path}`, { method, headers, ...(data === undefined ? {} : { data }) });
  }

  async call<T>(method: string, path: string, data?: unknown): Promise<T> {
    const answer = await this.send(method, path, data);
    expect(answer.ok(), `${method} ${path}: ${await answer.text()}`).toBe(true);
    return ((await answer.json()) as { result: T }).result;
  }

  /** Adds a server; the command that starts its agent. */
  async addServer(server: Record<string, unknown>): Promise<{ id: number; command: string }> {
    const { id, credential } = await this.call<Credential>('POST', '/manage/server', server);
    return { id, command: await this.command(credential) };
  }

  /** Gives a server a new credential; the command that starts its agent. */
  async newCommand(id: number): Promise<string> {
    return this.command((await this.call<Credential>('POST', `/manage/server/${id}/credential`)).credential);
  }

  private async command(credential: string): Promise<string> {
    const hub = await this.call<{ agents_address: string; fingerprint: string }>('GET', '/hub');
    return `WINDFIRE_CREDENTIAL=${credential} windfire-agent --hub ${hub.agents_address} --fingerprint ${hub.fingerprint}`;
  }

  dispose(): Promise<void> {
    return this.context.dispose();
  }
}

/** Signs in where the panel is: at the hub, or at `url` before it, which ends with a slash. */
export async function signIn(
  page: Page,
  hub: Hub,
  user = 'admin',
  password = hub.password,
  url = `${hub.url}/`,
): Promise<void> {
  await page.goto(`${url}login`);
  await page.getByLabel('User').fill(user);
  await page.getByLabel('Password').fill(password);
  await page.getByRole('button', { name: 'Sign in' }).click();
  await expect(page.getByRole('button', { name: 'Account menu' })).toBeVisible();
}

interface Options {
  /** What the hub's command line has besides. */
  hubOptions: readonly string[];
}

interface Fixtures {
  hub: Hub;
  api: Api;
  /** What must never happen on any page: fails the test when it did. */
  alarms: string[];
}

export const test = base.extend<Options & Fixtures>({
  hubOptions: [[], { option: true }],
  hub: async ({ hubOptions }, use) => {
    const hub = new Hub(hubOptions);
    try {
      await hub.start();
      await use(hub);
    } finally {
      await hub.dispose();
    }
  },
  api: async ({ hub }, use) => {
    const api = await Api.signedIn(hub);
    await use(api);
    await api.dispose();
  },
  alarms: [
    async ({ context }, use) => {
      const alarms: string[] = [];
      context.on('dialog', (dialog) => {
        alarms.push(`dialog: ${dialog.message()}`);
        void dialog.dismiss();
      });
      context.on('weberror', (error) => alarms.push(`error: ${error.error().message}`));
      context.on('console', (message) => {
        if (/Content.Security.Policy/i.test(message.text())) alarms.push(message.text());
      });
      await use(alarms);
      expect(alarms).toEqual([]);
    },
    { auto: true },
  ],
});

export { expect };
