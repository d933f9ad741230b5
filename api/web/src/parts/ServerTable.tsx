import type { ComponentChildren, JSX } from 'preact';
import { useEffect, useMemo, useRef, useState } from 'preact/hooks';

import { duration } from '../format';
import { messages } from '../i18n';
import { hrefOf } from '../root';
import { shownName } from '../live/fleet';
import { HiddenMark } from './live/marks';
import { type Column, DataTable, dateOrNever, Note, type RowAction } from './DataTable';
import { EditIcon, KeyIcon, TrashIcon } from './Icons';
import { Pager } from './Pager';

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
  const { servers, selected, onSelect, onEdit, onRemove, onRotate, children } = props;
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

  const columns: Column<ManagedServer>[] = [
    {
      title: text.selectAll,
      head: <SelectAll found={found} selected={selected} onSelect={onSelect} />,
      cell: ({ id, name }) => (
        <input
          type="checkbox"
          aria-label={text.select(name)}
          checked={selected.has(id)}
          onChange={(event) => selectOne(id, event.currentTarget.checked)}
        />
      ),
    },
    { title: text.name, isBreakable: true, cell: (server) => <NameCell server={server} /> },
    { title: text.tag, isBreakable: true, cell: ({ tag }) => tag },
    { title: text.note, cell: ({ note }) => <Note text={note} /> },
    { title: text.order, cell: ({ display_index }) => display_index },
    { title: text.address, cell: ({ address }) => address },
    { title: text.lastReport, cell: ({ last_active }) => dateOrNever(last_active) },
  ];
  const actions: RowAction<ManagedServer>[] = [
    { label: ({ name }) => text.editNamed(name), title: messages.value.edit, face: <EditIcon />, run: onEdit },
    { label: ({ name }) => text.rotateNamed(name), title: text.rotate, face: <KeyIcon />, run: onRotate },
    {
      label: ({ name }) => text.removeNamed(name),
      title: messages.value.remove,
      face: <TrashIcon />,
      isDangerous: true,
      run: onRemove,
    },
  ];

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
        <DataTable rows={shown} columns={columns} actions={actions} isSelected={({ id }) => selected.has(id)} />
      )}
      <Pager page={shownPage} pages={pages} onChange={setPage} />
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

function NameCell({ server }: { server: ManagedServer }): JSX.Element {
  const { id, name, hide_for_guest, clock_skew_ms } = server;
  return (
    <>
      <a href={hrefOf(`/server/${id}`)}>{shownName(id, name)}</a>
      {hide_for_guest && <HiddenMark />}
      <ClockMark skewMs={clock_skew_ms} />
    </>
  );
}
