import { expect, it } from 'vitest';

import { bestAddress, completed, reachOf, shellWord } from './agentCommand';

it('knows addresses that lead elsewhere than to the hub', () => {
  const own = [
    '127.0.0.1:5555',
    '127.1:5555',
    'localhost:5555',
    'LOCALHOST',
    'localhost.localdomain:5555',
    'wind.localhost:1',
    '[::1]:5555',
    '::1',
    '[0:0:0:0:0:0:0:1]:5555',
    '[::ffff:127.0.0.1]:5555',
    'http://localhost:8008/',
    'hub.example:5555,127.0.0.1:5555',
    'localhost.:5555',
  ];
  for (const address of own) expect(reachOf(address), address).toBe('this-machine');
  const none = ['', ' ', ':5555', '0.0.0.0:5555', '[::]:5555', '::', '0:5555', '*:5555', 'hub.example:5555,0.0.0.0:1'];
  for (const address of none) expect(reachOf(address), address).toBe('nobody');
  const all = [
    'hub.example:5555',
    '10.0.0.1',
    '192.168.127.1:5555',
    '[2001:db8::1]:5555',
    'fe80::1%eth0',
    'localhost.example.org:5555',
    '1.127.0.0',
    'my-localhost:5555',
    '[::ffff:10.0.0.1]:5555',
    'a:1,b:2',
    '[2001:db8::127:1]:5555',
  ];
  for (const address of all) expect(reachOf(address), address).toBe('everybody');
});

it('makes of what people type what the agent takes', () => {
  const cases: [string, string][] = [
    ['hub.example', 'hub.example:5555'],
    [' https://hub.example/wind/ ', 'hub.example:5555'],
    ['hub.example:6666', 'hub.example:6666'],
    ['2001:db8::1', '[2001:db8::1]:5555'],
    ['[2001:db8::1]', '[2001:db8::1]:5555'],
    ['[2001:db8::1]:6666', '[2001:db8::1]:6666'],
    ['a, b:2 ,', 'a:5555,b:2'],
    ['', ''],
  ];
  for (const [typed, taken] of cases) expect(completed(typed, '5555'), typed).toBe(taken);
});

it('prefers what leads others to the hub', () => {
  expect(bestAddress('hub.example:5555', '127.0.0.1', 'old:1')).toBe('hub.example:5555');
  expect(bestAddress('127.0.0.1:5555', 'panel.example', null)).toBe('panel.example:5555');
  expect(bestAddress('127.0.0.1:5555', '[2001:db8::1]', null)).toBe('[2001:db8::1]:5555');
  expect(bestAddress('127.0.0.1:5555', '127.0.0.1', '10.0.0.1:5555')).toBe('10.0.0.1:5555');
  expect(bestAddress('127.0.0.1:5555', 'localhost', null)).toBe('127.0.0.1:5555');
});

it('keeps what was typed one word of a shell', () => {
  expect(shellWord('hub.example:5555,b:1')).toBe('hub.example:5555,b:1');
  expect(shellWord('[::1]:5555')).toBe("'[::1]:5555'");
  expect(shellWord("a; rm -rf 'x'")).toBe("'a; rm -rf '\\''x'\\'''");
  expect(shellWord('')).toBe("''");
});
