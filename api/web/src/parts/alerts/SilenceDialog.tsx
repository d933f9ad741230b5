import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { changed } from '../../alerts/changed';
import {
  browserZone,
  DAYS,
  newSilence,
  type Silence,
  silenceBody,
  type SilenceDraft,
  silenceDraft,
  timeZones,
} from '../../alerts/silence';
import { call } from '../../api';
import { messages } from '../../i18n';
import { FieldGroup } from '../Field';
import { FormDialog } from '../FormDialog';
import { CheckList, RadioGroup, SelectField, TextField } from './inputs';
import { ServerPicker } from './ServerPicker';

export interface NamedRule {
  id: number;
  name: string;
}

interface SilenceDialogProps {
  /** `null` for a new one. */
  silence: Silence | null;
  rules: readonly NamedRule[];
  onSaved: () => Promise<void>;
  onClose: () => void;
}

export function SilenceDialog({ silence, rules, onSaved, onClose }: SilenceDialogProps): JSX.Element {
  const text = messages.value;
  const [first] = useState(() => firstDraft(silence));
  const [draft, setDraft] = useState(first);

  const submit = async (): Promise<void> => {
    const body = silenceBody(draft);
    if (silence === null) await call<{ id: number }>('POST', '/alert/silence', { body });
    else await call<null>('PATCH', `/alert/silence/${silence.id}`, { body: changed(silenceBody(first), body) });
    await onSaved();
  };

  return (
    <FormDialog
      title={silence === null ? text.alerts.silences.add : text.alerts.silences.editTitle}
      submitLabel={silence === null ? text.add : text.save}
      onSubmit={submit}
      onClose={onClose}
    >
      <SilenceFields draft={draft} rules={rules} onChange={setDraft} />
    </FormDialog>
  );
}

function firstDraft(silence: Silence | null): SilenceDraft {
  const nowS = Math.floor(Date.now() / 1000);
  return silence === null ? newSilence(nowS, browserZone()) : silenceDraft(silence, nowS, browserZone());
}

interface SilenceFieldsProps {
  draft: SilenceDraft;
  rules: readonly NamedRule[];
  onChange: (draft: SilenceDraft) => void;
}

function SilenceFields({ draft, rules, onChange }: SilenceFieldsProps): JSX.Element {
  const text = messages.value.alerts;
  const set = (change: Partial<SilenceDraft>): void => onChange({ ...draft, ...change });
  const known = new Set(rules.map(({ id }) => id));
  const ruleOptions = [
    ...rules.map(({ id, name }) => [id, name] as const),
    ...draft.rules.filter((id) => !known.has(id)).map((id) => [id, text.removedRule(id)] as const),
  ];
  return (
    <>
      <TextField
        label={text.silences.comment}
        name="comment"
        value={draft.comment}
        onInput={(comment) => set({ comment })}
        input={{ isFirst: true }}
      />
      <RadioGroup
        label={text.silences.window}
        name="window"
        value={draft.window}
        options={[
          ['once', text.silences.windows.once],
          ['weekly', text.silences.windows.weekly],
        ]}
        onChange={(window) => set({ window })}
      />
      {draft.window === 'once' ? <OnceFields draft={draft} set={set} /> : <WeeklyFields draft={draft} set={set} />}
      <FieldGroup label={text.silences.rules} name="rules" hint={text.silences.rulesHint}>
        <CheckList options={ruleOptions} chosen={draft.rules} onChange={(chosen) => set({ rules: sorted(chosen) })} />
      </FieldGroup>
      <TextField
        label={text.tags}
        name="tags"
        hint={text.anyTagHint}
        value={draft.tags}
        onInput={(tags) => set({ tags })}
      />
      <ServerPicker
        label={text.servers}
        name="ids"
        hint={text.silences.serversHint}
        chosen={draft.ids}
        onChange={(chosen) => set({ ids: sorted(chosen) })}
      />
    </>
  );
}

interface WindowFieldsProps {
  draft: SilenceDraft;
  set: (change: Partial<SilenceDraft>) => void;
}

function OnceFields({ draft, set }: WindowFieldsProps): JSX.Element {
  const text = messages.value.alerts.silences;
  const input = { type: 'datetime-local', isRequired: true } as const;
  return (
    <>
      <div class="field-pair">
        <TextField label={text.from} name="from" value={draft.from} onInput={(from) => set({ from })} input={input} />
        <TextField label={text.to} name="to" value={draft.to} onInput={(to) => set({ to })} input={input} />
      </div>
      <span class="hint">{text.localTimes(browserZone())}</span>
    </>
  );
}

function WeeklyFields({ draft, set }: WindowFieldsProps): JSX.Element {
  const text = messages.value.alerts.silences;
  const input = { type: 'time', isRequired: true } as const;
  return (
    <>
      <FieldGroup label={text.days} name="weekly.days">
        <CheckList
          options={DAYS.map((day) => [day, text.dayNames[day]])}
          chosen={draft.days}
          onChange={(chosen) => set({ days: DAYS.filter((day) => chosen.includes(day)) })}
        />
      </FieldGroup>
      <div class="field-pair">
        <TextField
          label={text.start}
          name="weekly.start"
          value={draft.start}
          onInput={(start) => set({ start })}
          input={input}
        />
        <TextField
          label={text.end}
          name="weekly.end"
          hint={text.endHint}
          value={draft.end}
          onInput={(end) => set({ end })}
          input={input}
        />
      </div>
      <SelectField
        label={text.zone}
        name="weekly.zone"
        value={draft.zone}
        options={timeZones(draft.zone, browserZone()).map((zone) => [zone, zone])}
        onChange={(zone) => set({ zone })}
      />
    </>
  );
}

/** As the hub keeps it, so that a choice that was taken back is no change. */
function sorted(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b);
}
