/** Answers of `fetch` under a test's control. */
export class FakeHub {
  readonly urls: string[] = [];
  /** What is being answered, the newest last. */
  readonly answers: FakeAnswer[] = [];
  /** The next requests are refused, or never answered. */
  next: 'answers' | 'refuses' | 'hangs' = 'answers';
  status = 200;

  readonly fetch = (url: string, init: RequestInit): Promise<Response> => {
    this.urls.push(url);
    if (this.next === 'refuses') return Promise.reject(new TypeError('Failed to fetch'));
    const { signal } = init;
    if (signal?.aborted) return Promise.reject(aborted());
    if (this.next === 'hangs') {
      return new Promise((_, failed) => signal?.addEventListener('abort', () => failed(aborted())));
    }
    const answer = new FakeAnswer();
    this.answers.push(answer);
    signal?.addEventListener('abort', () => answer.fail(aborted()));
    return Promise.resolve(new Response(answer.body, { status: this.status }));
  };

  get last(): FakeAnswer {
    const answer = this.answers.at(-1);
    if (!answer) throw new Error('nothing was asked');
    return answer;
  }
}

class FakeAnswer {
  private control: ReadableStreamDefaultController<Uint8Array> | null = null;
  readonly body = new ReadableStream<Uint8Array>({
    start: (control) => {
      this.control = control;
    },
  });

  say(text: string): void {
    this.control?.enqueue(new TextEncoder().encode(text));
  }

  end(): void {
    this.control?.close();
    this.control = null;
  }

  fail(error: Error): void {
    this.control?.error(error);
    this.control = null;
  }
}

function aborted(): Error {
  return new DOMException('aborted', 'AbortError');
}
