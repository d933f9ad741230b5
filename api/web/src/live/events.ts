/** One event of a stream. */
export interface StreamEvent {
  name: string;
  id: string;
  data: string;
}

/** Characters of one event: a snapshot of twenty thousand servers has six million. */
export const EVENT_CHARS_MAX = 64 * 1024 * 1024;

const END = '\n\n';

/**
 * Takes server-sent events out of text that comes in pieces. Unlike an EventSource it leaves it to the reader to notice
 * that something came, also when it is a comment, which says that the hub is there. The hub ends lines with \n alone.
 */
export class EventReader {
  private rest = '';
  /** Where in `rest` an end may begin that was not looked at yet. */
  private from = 0;

  /** Whether no event has begun that has not ended. */
  get isBetween(): boolean {
    return this.rest === '';
  }

  /** The events that end in this piece; comments are none. Throws when one grows beyond all measure. */
  read(piece: string): StreamEvent[] {
    const text = this.rest + piece;
    const events: StreamEvent[] = [];
    let start = 0;
    let end = text.indexOf(END, this.from);
    while (end >= 0) {
      const event = eventOf(text.slice(start, end));
      if (event) events.push(event);
      start = end + END.length;
      end = text.indexOf(END, start);
    }
    this.rest = text.slice(start);
    this.from = Math.max(0, this.rest.length - 1);
    if (this.rest.length > EVENT_CHARS_MAX)
      throw new RangeError(`an event has more than ${EVENT_CHARS_MAX} characters`);
    return events;
  }
}

function eventOf(text: string): StreamEvent | null {
  const event: StreamEvent = { name: 'message', id: '', data: '' };
  const data: string[] = [];
  for (const line of text.split('\n')) {
    const colon = line.indexOf(':');
    if (colon <= 0) continue;
    const value = line.slice(line[colon + 1] === ' ' ? colon + 2 : colon + 1);
    const field = line.slice(0, colon);
    if (field === 'event') event.name = value;
    else if (field === 'id') event.id = value;
    else if (field === 'data') data.push(value);
  }
  return data.length === 0 ? null : { ...event, data: data.join('\n') };
}
