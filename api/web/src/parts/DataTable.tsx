import type { ComponentChildren, JSX } from 'preact';

import { dateTime } from '../format';
import { languageTag, messages } from '../i18n';

export interface Column<Row> {
  /** Different in each column of a table. */
  title: string;
  /** Drawn in the title's place. */
  head?: JSX.Element;
  /** The text has no spaces to break it at. */
  isBreakable?: boolean;
  cell: (row: Row) => ComponentChildren;
}

export interface RowAction<Row> {
  /** Says what it does to which row; different in each action of a row. */
  label: (row: Row) => string;
  /** Shown under the pointer. */
  title?: string;
  /** An icon, or text for a button with words. */
  face: JSX.Element | string;
  isDangerous?: boolean;
  /** Whether a row has it; without this every row has. */
  appliesTo?: (row: Row) => boolean;
  run: (row: Row) => void;
}

interface DataTableProps<Row> {
  rows: readonly Row[];
  columns: readonly Column<Row>[];
  /** Without any there is no column for them. */
  actions: readonly RowAction<Row>[];
  isSelected?: (row: Row) => boolean;
  /** Names a table without buttons. The keyboard then reaches it, to scroll it where it is wider than the page. */
  label?: string;
}

/** A table of what the hub has, a row each, with buttons at a row's end. */
export function DataTable<Row extends { id: number | string }>(props: DataTableProps<Row>): JSX.Element {
  const { rows, columns, actions, isSelected, label } = props;
  return (
    <div class="table-box" {...(label === undefined ? {} : { role: 'region', 'aria-label': label, tabIndex: 0 })}>
      <table class="table">
        <thead>
          <tr>
            {columns.map(({ title, head }) => (
              <th key={title} scope="col">
                {head ?? title}
              </th>
            ))}
            {actions.length > 0 && (
              <th scope="col">
                <span class="off-screen">{messages.value.actions}</span>
              </th>
            )}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.id} class={isSelected?.(row) ? 'selected' : undefined}>
              {columns.map(({ title, isBreakable, cell }) => (
                <td key={title} class={isBreakable ? 'breakable' : undefined}>
                  {cell(row)}
                </td>
              ))}
              {actions.length > 0 && (
                <td class="row-actions">
                  {actions
                    .filter(({ appliesTo }) => appliesTo?.(row) ?? true)
                    .map((action) => (
                      <ActionButton key={action.label(row)} action={action} row={row} />
                    ))}
                </td>
              )}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function ActionButton<Row>({ action, row }: { action: RowAction<Row>; row: Row }): JSX.Element {
  const { label, title, face, isDangerous, run } = action;
  const shape = typeof face === 'string' ? 'button small' : 'icon-button';
  return (
    <button
      type="button"
      class={isDangerous ? `${shape} danger` : shape}
      aria-label={label(row)}
      title={title}
      onClick={() => run(row)}
    >
      {face}
    </button>
  );
}

/** A note, cut to its cell; whole under the pointer. */
export function Note({ text }: { text: string }): JSX.Element {
  return (
    <div class="note" title={text}>
      {text}
    </div>
  );
}

/** A moment in Unix seconds, as the reader's language writes it; `null` is never. */
export function dateOrNever(unixS: number | null): string {
  return unixS === null ? messages.value.never : dateTime(unixS, languageTag.value);
}
