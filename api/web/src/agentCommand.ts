import { call } from './api';
import { remember, remembered } from './storage';

interface HubFacts {
  agents_address: string;
  fingerprint: string;
  version: string;
}

/** A command line that starts an agent, but for the address at which it reaches the hub. */
export interface AgentCommand {
  /** The best that is known of it. */
  address: string;
  /** The command with that address, as people write it. */
  write: (address: string) => string;
}

/** Whom an address leads to the hub. */
export type Reach = 'everybody' | 'this-machine' | 'nobody';

const REMEMBERED = 'hub-address';

/**
 * The command lines of agents with a secret of that kind. To be had before the secret is made: what a secret needs to be
 * shown must not fail once it exists.
 */
export async function agentCommands(): Promise<(kind: 'CREDENTIAL' | 'ENROL', secret: string) => AgentCommand> {
  const hub = await call<HubFacts>('GET', '/hub');
  const port = portOf(hub.agents_address);
  const address = bestAddress(hub.agents_address, location.hostname, remembered(REMEMBERED));
  return (kind, secret) => ({
    address,
    write: (given) => {
      const hubs = shellWord(completed(given, port));
      return `WINDFIRE_${kind}=${secret} windfire-agent --hub ${hubs} --fingerprint ${hub.fingerprint}`;
    },
  });
}

/** Keeps an address that somebody gave for the next command. */
export function rememberAddress(address: string): void {
  if (reachOf(address) === 'everybody') remember(REMEMBERED, address.trim());
}

/**
 * What the hub names is how this browser's proxy reached it, unless it was told better: where that is the machine itself,
 * what somebody gave before is better, and so is the name by which this page was opened.
 */
export function bestAddress(named: string, pageHost: string, before: string | null): string {
  const ofPage = completed(pageHost, portOf(named));
  return [named, before ?? '', ofPage].find((address) => reachOf(address) === 'everybody') ?? named;
}

/** Whom these addresses, split at commas, lead to the hub: the worst of them counts. */
export function reachOf(addresses: string): Reach {
  const reaches = addresses.split(',').map((address) => reachOfHost(hostOf(bare(address))));
  if (reaches.includes('nobody')) return 'nobody';
  return reaches.includes('this-machine') ? 'this-machine' : 'everybody';
}

function reachOfHost(host: string): Reach {
  const name = host.toLowerCase().replace(/\.$/, '');
  if (name === '' || /^0+(\.0+)*$/.test(name) || /^[0:]+$/.test(name) || name === '*') return 'nobody';
  const isLocalName = /(^|\.)localhost(\.localdomain)?$|^ip6-(localhost|loopback)$/.test(name);
  const isLoopback =
    /^127(\.\d+){0,3}$/.test(name) || /^[0:]*:0*1$/.test(name) || /^[0:]*:ffff:127(\.\d+){3}$/.test(name);
  return isLocalName || isLoopback ? 'this-machine' : 'everybody';
}

/** Addresses as the agent takes them: host and port, without what an address bar has around them. */
export function completed(addresses: string, port: string): string {
  const parts = addresses
    .split(',')
    .map(bare)
    .filter((address) => address !== '');
  return parts.map((address) => (portOf(address) === '' ? `${bracketed(address)}:${port}` : address)).join(',');
}

function bare(address: string): string {
  return address
    .trim()
    .replace(/^[a-z+]+:\/\//i, '')
    .replace(/[/?#].*$/, '');
}

/** An IPv6 address has colons of its own. */
function bracketed(host: string): string {
  return host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
}

function portOf(address: string): string {
  const isBareIpv6 = !address.startsWith('[') && address.split(':').length > 2;
  return isBareIpv6 ? '' : (/:(\d+)$/.exec(address)?.[1] ?? '');
}

function hostOf(address: string): string {
  const port = portOf(address);
  const host = port === '' ? address : address.slice(0, -port.length - 1);
  return host.replace(/^\[(.*)\]$/, '$1').replace(/%.*$/, '');
}

/** What somebody typed must not become more than one word of a shell. */
export function shellWord(text: string): string {
  // Brackets are a pattern to some shells.
  return /^[\w.:,%@-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
