import type { JSX } from 'preact';
import { useMemo } from 'preact/hooks';

import { messages } from '../../i18n';
import type { Fleet } from '../../live/fleet';
import type { SortKey, StateFilter } from '../../live/order';
import { chooseView, filter, setFilter, sort, sortBy, type View } from '../../live/view';

const STATES: readonly StateFilter[] = ['all', 'online', 'offline'];

interface LiveFiltersProps {
  fleet: Fleet;
  /** Of the fleet: another number when there are other servers or tags. */
  structure: number;
  view: View;
  shown: number;
}

export function LiveFilters({ fleet, structure, view, shown }: LiveFiltersProps): JSX.Element {
  const text = messages.value.live;
  const tags = useMemo(() => fleet.tags(), [structure]);
  const { text: searched, tag, state } = filter.value;
  const stateNames = { all: text.allStates, online: text.online, offline: text.offline };
  return (
    <form class="filters" role="search" onSubmit={(event) => event.preventDefault()}>
      <input
        type="search"
        aria-label={text.search}
        placeholder={text.searchHint}
        value={searched}
        onInput={(event) => setFilter({ text: event.currentTarget.value })}
      />
      <select
        aria-label={text.tag}
        title={tag}
        value={tag}
        onChange={(event) => setFilter({ tag: event.currentTarget.value })}
      >
        <option value="">{text.allTags}</option>
        {tagChoices(tags, tag).map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
      <select
        aria-label={text.state}
        value={state}
        onChange={(event) => setFilter({ state: STATES.find((name) => name === event.currentTarget.value) ?? 'all' })}
      >
        {STATES.map((name) => (
          <option key={name} value={name}>
            {stateNames[name]}
          </option>
        ))}
      </select>
      {view === 'cards' && <SortChoice />}
      <div class="segments" role="group" aria-label={text.view}>
        {(['table', 'cards'] as const).map((name) => (
          <button key={name} type="button" aria-pressed={view === name} onClick={() => chooseView(name)}>
            {text.views[name]}
          </button>
        ))}
      </div>
      <span class="shown-count">{text.shown(shown, fleet.size)}</span>
    </form>
  );
}

/** The chosen tag stays a choice when its last server goes. */
function tagChoices(tags: string[], chosen: string): string[] {
  return chosen === '' || tags.includes(chosen) ? tags : [chosen, ...tags];
}

function SortChoice(): JSX.Element {
  const text = messages.value.live;
  const { key, isDescending } = sort.value;
  const direction = isDescending ? text.descending : text.ascending;
  return (
    <span class="sort-choice">
      <select aria-label={text.sortBy} value={key} onChange={(event) => sortBy(event.currentTarget.value as SortKey)}>
        {Object.entries(text.columns).map(([name, label]) => (
          <option key={name} value={name}>
            {label}
          </option>
        ))}
      </select>
      <button type="button" class="button" aria-label={direction} title={direction} onClick={() => sortBy(key)}>
        {isDescending ? '↓' : '↑'}
      </button>
    </span>
  );
}
