import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type ListedServer, serversToOffer } from '../../alerts/pick';
import { call } from '../../api';
import { messages } from '../../i18n';
import { shownName } from '../../live/fleet';
import { FieldGroup } from '../Field';
import { ResourceState } from '../ResourceState';
import { useResource } from '../useResource';
import { CheckList } from './inputs';

/** Servers shown beside the chosen ones. */
const OFFERED_MAX = 20;

interface ServerPickerProps {
  label: string;
  /** As the hub calls it. */
  name: string;
  hint?: string;
  chosen: readonly number[];
  onChange: (chosen: number[]) => void;
}

/** Single servers, found by a search. */
export function ServerPicker({ label, name, hint, chosen, onChange }: ServerPickerProps): JSX.Element {
  const text = messages.value.alerts;
  const servers = useResource(() => call<ListedServer[]>('GET', '/server/list?tag='));
  const [searched, setSearched] = useState('');
  const all = servers.data ?? [];
  const { offered, more } = serversToOffer(all, new Set(chosen), searched, OFFERED_MAX);
  const known = new Set(all.map(({ id }) => id));
  const gone = servers.data === null ? [] : chosen.filter((id) => !known.has(id));
  const options = [
    ...gone.map((id) => [id, text.removedServer(id)] as const),
    ...offered.map(
      ({ id, name, tag }) => [id, tag === '' ? shownName(id, name) : `${shownName(id, name)} (${tag})`] as const,
    ),
  ];
  return (
    <FieldGroup label={label} name={name} hint={hint}>
      <ResourceState resource={servers} />
      {servers.data !== null && (
        <>
          <input
            type="search"
            aria-label={`${label}: ${text.searchServers}`}
            placeholder={text.searchServersHint}
            onInput={(event) => setSearched(event.currentTarget.value)}
            onKeyDown={(event) => {
              // It would send the form.
              if (event.key === 'Enter') event.preventDefault();
            }}
          />
          <CheckList options={options} chosen={chosen} onChange={onChange} />
          {more > 0 && <span class="hint">{text.moreServers(more)}</span>}
        </>
      )}
    </FieldGroup>
  );
}
