import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { dateTime, duration } from '../format';
import { languageTag, messages } from '../i18n';
import { hrefOf } from '../root';
import { shownName } from '../live/fleet';
import { HiddenMark } from './live/marks';
import { EditIcon, KeyIcon, TrashIcon } from './Icons';

/** A server as administrators see it. */
export interface ManagedServer {
  id: number;
  name: string;
  tag: string;
  note: string;
  display_index: number;
  hide_for_guest: boolean;
  country: string;
  created: number;
  last_active: number | null;
  address: string;
  version: string;
  /** Milliseconds that the server's clock is ahead of the hub's, as its agent says. */
  clock_skew_ms: number | null;
}

const PAGE_SIZE = 200;

interface ServerTableProps {
  servers: ManagedServer[];
  selected: ReadonlySet<number>;
  onSelect: (selected: ReadonlySet<number>) => void;
  onEdit: (server: ManagedServer) => void;
  onRemove: (server: ManagedServer) => void;
  onRotate: (server: ManagedServer) => void;
  /** What can be done with the selected ones. */
  children: ComponentChildren;
}

export function ServerTable(props: ServerTableProps): JSX.Element {
  const { servers, selected, onSelect, children } = props;
  const text = messages.value.manage;
  const [searched, setSearched] = useState('');
  const [page, setPage] = useState(0);
  const found = useMemo(() => search(servers, searched), [servers, searched]);
  const pages = Math.max(1, Math.ceil(found.length / PAGE_SIZE));
  const shownPage = Math.min(page, pages - 1);
  const shown = found.slice(shownPage * PAGE_SIZE, (shownPage + 1) * PAGE_SIZE);

  const selectOne = (id: number, isSelected: boolean): void => {
    const next = new Set(selected);
    if (isSelected) next.add(id);
    else next.delete(id);
    onSelect(next);
  };

  return (
    <>
      <div class="filters">
        <input
          type="search"
          aria-label={text.search}
          placeholder={text.searchHint}
          onInput={(event) => {
            setSearched(event.currentTarget.value);
            setPage(0);
          }}
        />
        {children}
      </div>
      {found.length === 0 && <p class="quiet">{text.noMatch}</p>}
      {found.length > 0 && (
        <div class="table-box">
          <table class="table">
            <thead>
              <tr>
                <th scope="col">
                  <SelectAll found={found} selected={selected} onSelect={onSelect} />
                </th>
                <th scope="col">{text.name}</th>
                <th scope="col">{text.tag}</th>
                <th scope="col">{text.note}</th>
                <th scope="col">{text.order}</th>
                <th scope="col">{text.address}</th>
                <th scope="col">{text.lastReport}</th>
                <th scope="col">
                  <span class="off-screen">{messages.value.actions}</span>
                </th>
              </tr>
            </thead>
            <tbody>
              {shown.map((server) => (
                <ServerTableRow
                  key={server.id}
                  {...props}
                  server={server}
                  isSelected={selected.has(server.id)}
                  onSelectOne={selectOne}
                />
              ))}
            </tbody>
          </table>
        </div>
      )}
      {pages > 1 && (
        <div class="pager">
          <button type="button" class="button small" disabled={shownPage === 0} onClick={() => setPage(shownPage - 1)}>
            {text.previous}
          </button>
          <span aria-live="polite">{text.page(shownPage + 1, pages)}</span>
          <button
            type="button"
            class="button small"
            disabled={shownPage === pages - 1}
            onClick={() => setPage(shownPage + 1)}
          >
            {text.next}
          </button>
        </div>
      )}
    </>
  );
}

function search(servers: ManagedServer[], searched: string): ManagedServer[] {
  const words = searched
    .toLowerCase()
    .split(/\s+/)
    .filter((word) => word !== '');
  return servers.filter((server) => {
    const text = `${server.name}\n${server.tag}\n${server.note}\n${server.country}\n${server.address}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}

interface SelectAllProps {
  found: ManagedServer[];
  selected: ReadonlySet<number>;
  onSelect: (selected: ReadonlySet<number>) => void;
}

/** Selects what the search found, on all pages. */
function SelectAll({ found, selected, onSelect }: SelectAllProps): JSX.Element {
  const box = useRef<HTMLInputElement>(null);
  const count = found.filter((server) => selected.has(server.id)).length;
  useEffect(() => {
    if (box.current) box.current.indeterminate = count > 0 && count < found.length;
  });
  return (
    <input
      type="checkbox"
      ref={box}
      aria-label={messages.value.manage.selectAll}
      checked={count > 0 && count === found.length}
      onChange={(event) => onSelect(new Set(event.currentTarget.checked ? found.map((server) => server.id) : []))}
    />
  );
}

/** Skew that the hub leaves alone: it does not move a report's time for less. */
const SKEW_KEPT_MS = 5000;

function ClockMark({ skewMs }: { skewMs: number | null }): JSX.Element | null {
  if (skewMs === null || Math.abs(skewMs) <= SKEW_KEPT_MS) return null;
  const amount = duration(Math.abs(skewMs) / 1000);
  const text = messages.value;
  return <span class="chip">{skewMs > 0 ? text.clockAhead(amount) : text.clockBehind(amount)}</span>;
}

interface ServerTableRowProps extends Pick<ServerTableProps, 'onEdit' | 'onRemove' | 'onRotate'> {
  server: ManagedServer;
  isSelected: boolean;
  onSelectOne: (id: number, isSelected: boolean) => void;
}

function ServerTableRow({
  server,
  isSelected,
  onSelectOne,
  onEdit,
  onRemove,
  onRotate,
}: ServerTableRowProps): JSX.Element {
  const text = messages.value;
  const { id, name } = server;
  return (
    <tr class={isSelected ? 'selected' : ''}>
      <td>
        <input
          type="checkbox"
          aria-label={text.manage.select(name)}
          checked={isSelected}
          onChange={(event) => onSelectOne(id, event.currentTarget.checked)}
        />
      </td>
      <td class="breakable">
        <a href={hrefOf(`/server/${id}`)}>{shownName(id, name)}</a>
        {server.hide_for_guest && <HiddenMark />}
        <ClockMark skewMs={server.clock_skew_ms} />
      </td>
      <td class="breakable">{server.tag}</td>
      <td>
        <div class="note" title={server.note}>
          {server.note}
        </div>
      </td>
      <td>{server.display_index}</td>
      <td>{server.address}</td>
      <td>{server.last_active === null ? text.never : dateTime(server.last_active, languageTag.value)}</td>
      <td class="row-actions">
        <button
          type="button"
          class="icon-button"
          aria-label={text.manage.editNamed(name)}
          title={text.edit}
          onClick={() => onEdit(server)}
        >
          <EditIcon />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label={text.manage.rotateNamed(name)}
          title={text.manage.rotate}
          onClick={() => onRotate(server)}
        >
          <KeyIcon />
        </button>
        <button
          type="button"
          class="icon-button danger"
          aria-label={text.manage.removeNamed(name)}
          title={text.remove}
          onClick={() => onRemove(server)}
        >
          <TrashIcon />
        </button>
      </td>
    </tr>
  );
}
