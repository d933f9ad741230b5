import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type AgentCommand, agentCommands } from '../agentCommand';
import { ApiError, call } from '../api';
import { messages } from '../i18n';
import { Alert } from './Alert';
import { Checkbox, Field } from './Field';
import { FormDialog } from './FormDialog';
import type { ManagedServer } from './ServerTable';

/** What people decide about a server. */
type Settings = Pick<ManagedServer, 'name' | 'tag' | 'note' | 'display_index' | 'hide_for_guest' | 'country'>;

const EMPTY: Settings = { name: '', tag: '', note: '', display_index: 0, hide_for_guest: false, country: '' };

interface AddServerDialogProps {
  onAdded: (command: AgentCommand) => Promise<void>;
  onClose: () => void;
}

export function AddServerDialog({ onAdded, onClose }: AddServerDialogProps): JSX.Element {
  const text = messages.value;
  const [settings, setSettings] = useState(EMPTY);
  const submit = async (): Promise<void> => {
    const command = await agentCommands();
    const added = await call<{ id: number; credential: string }>('POST', '/manage/server', { body: settings });
    await onAdded(command('CREDENTIAL', added.credential));
  };
  return (
    <FormDialog title={text.manage.add} submitLabel={text.add} onSubmit={submit} onClose={onClose}>
      <SettingsFields settings={settings} onChange={setSettings} />
    </FormDialog>
  );
}

interface EditServerDialogProps {
  server: ManagedServer;
  onSaved: () => Promise<void>;
  onClose: () => void;
}

export function EditServerDialog({ server, onSaved, onClose }: EditServerDialogProps): JSX.Element {
  const text = messages.value;
  const [known, setKnown] = useState(server);
  const [settings, setSettings] = useState(settingsOf(server));
  const [isConflict, setConflict] = useState(false);

  const submit = async (): Promise<void> => {
    setConflict(false);
    const body = { ...changed(settingsOf(known), settings), version: known.version };
    try {
      await call<{ version: string }>('PATCH', `/manage/server/${known.id}`, { body });
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 409)) throw error;
      setConflict(true);
      return;
    }
    await onSaved();
  };

  const load = async (): Promise<void> => {
    const all = await call<ManagedServer[]>('GET', '/manage/server');
    const fresh = all.find((other) => other.id === known.id);
    if (!fresh) throw new Error(text.manage.removedMeanwhile);
    setKnown(fresh);
    setSettings(settingsOf(fresh));
    setConflict(false);
  };

  return (
    <FormDialog
      title={text.manage.editTitle}
      submitLabel={isConflict ? text.manage.reload : text.save}
      onSubmit={isConflict ? load : submit}
      onClose={onClose}
    >
      <SettingsFields settings={settings} onChange={setSettings} />
      {isConflict && <Alert>{text.manage.conflict}</Alert>}
    </FormDialog>
  );
}

function settingsOf({ name, tag, note, display_index, hide_for_guest, country }: ManagedServer): Settings {
  return { name, tag, note, display_index, hide_for_guest, country };
}

function changed(before: Settings, after: Settings): Partial<Settings> {
  const names = Object.keys(after) as (keyof Settings)[];
  return Object.fromEntries(names.filter((name) => before[name] !== after[name]).map((name) => [name, after[name]]));
}

interface SettingsFieldsProps {
  settings: Settings;
  onChange: (settings: Settings) => void;
}

function SettingsFields({ settings, onChange }: SettingsFieldsProps): JSX.Element {
  const text = messages.value.manage;
  const set = (change: Partial<Settings>): void => onChange({ ...settings, ...change });
  return (
    <>
      <Field label={text.name}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            required
            data-autofocus
            value={settings.name}
            onInput={(event) => set({ name: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={text.tag}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            value={settings.tag}
            onInput={(event) => set({ tag: event.currentTarget.value })}
          />
        )}
      </Field>
      <Field label={text.note}>
        {(attributes) => (
          <textarea
            {...attributes}
            rows={2}
            value={settings.note}
            onInput={(event) => set({ note: event.currentTarget.value })}
          />
        )}
      </Field>
      <div class="field-pair">
        <Field label={text.order} hint={text.orderHint}>
          {(attributes) => (
            <input
              {...attributes}
              type="number"
              step={1}
              required
              value={settings.display_index}
              onInput={(event) => {
                const index = event.currentTarget.valueAsNumber;
                // A lone minus sign is on its way to a number; the form does not take it.
                if (Number.isFinite(index)) set({ display_index: index });
              }}
            />
          )}
        </Field>
        <Field label={text.country} hint={text.countryHint}>
          {(attributes) => (
            <input
              {...attributes}
              type="text"
              maxLength={2}
              pattern="[A-Za-z]{2}"
              value={settings.country}
              onInput={(event) => set({ country: event.currentTarget.value })}
            />
          )}
        </Field>
      </div>
      <Checkbox
        label={text.hidden}
        isChecked={settings.hide_for_guest}
        onChange={(isChecked) => set({ hide_for_guest: isChecked })}
      />
    </>
  );
}
