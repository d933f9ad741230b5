import { expect, it } from 'vitest';

import { ApiError } from '../api';
import { faultOf, fieldsAround } from './fault';

it('finds the field that a message of the hub begins with', () => {
  const said: [message: string, field: string, reason: string][] = [
    ['when[0].clear: 95 is bad itself', 'when[0].clear', '95 is bad itself'],
    ['settings.headers.X-Key: write it out: it is new', 'settings.headers.X-Key', 'write it out: it is new'],
    ['severity "bad" must be one of info', 'severity', 'severity "bad" must be one of info'],
    ['to (5) is not in the future: it', 'to', 'to (5) is not in the future: it'],
    ['note of 2000 characters is over its limit of 1024', 'note', 'note of 2000 characters is over its limit of 1024'],
  ];
  for (const [message, field, reason] of said) expect(faultOf(new ApiError(400, message))).toEqual({ field, reason });
});

it('finds no field where a message is about none', () => {
  const messages = [
    'channel 3 is used by rule 1: take it out of them first',
    'there are already 100 channels, which is the limit: remove some first',
    'this path does not take such a body: unknown field',
    '',
  ];
  for (const message of messages) expect(faultOf(new ApiError(409, message)), message).toBeNull();
  expect(faultOf(new ApiError(502, 'name: HTTP 502', 'foreign'))).toBeNull();
  expect(faultOf(new Error('name: wrong'))).toBeNull();
});

it('names what a field is within', () => {
  expect(fieldsAround('when[10].clear')).toEqual(['when[10].clear', 'when[10]', 'when']);
  expect(fieldsAround('settings.headers.X-Key')).toEqual(['settings.headers.X-Key', 'settings.headers', 'settings']);
  expect(fieldsAround('name')).toEqual(['name']);
});
