import type { ComponentChildren, JSX } from 'preact';

import { PlusIcon } from './Icons';
import { ResourceState } from './ResourceState';
import type { Resource } from './useResource';

interface ResourcePageProps<Item> {
  title: string;
  intro?: string;
  /** What is to be known before the list is read. */
  notice?: ComponentChildren;
  addLabel: string;
  /** `null` for those who may only look. */
  onAdd: (() => void) | null;
  resource: Resource<Item[]>;
  /** Shown in the list's place when the hub has none. */
  emptyText?: string;
  /** Draws what the hub has, when there is at least one. */
  list: (items: Item[]) => JSX.Element;
  /** The page's dialogs. */
  children: ComponentChildren;
}

/** A page that lists what the hub has of one kind, and can add to it. */
export function ResourcePage<Item>(props: ResourcePageProps<Item>): JSX.Element {
  const { title, intro, notice, addLabel, onAdd, resource, emptyText, list, children } = props;
  const { data } = resource;
  return (
    <div class="page">
      <div class="page-head">
        <h1>{title}</h1>
        {onAdd !== null && (
          <button type="button" class="button primary" onClick={onAdd}>
            <PlusIcon />
            {addLabel}
          </button>
        )}
      </div>
      {intro !== undefined && <p class="quiet">{intro}</p>}
      {notice}
      <ResourceState resource={resource} />
      {data?.length === 0 && emptyText !== undefined && <p class="quiet">{emptyText}</p>}
      {data !== null && data.length > 0 && list(data)}
      {children}
    </div>
  );
}
