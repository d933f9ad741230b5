import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { changed } from '../../alerts/changed';
import { kindsOf, newRule, type Rule, ruleBody, type RuleDraft, ruleDraft, SEVERITIES } from '../../alerts/rule';
import { call } from '../../api';
import { messages } from '../../i18n';
import { Checkbox, FieldGroup } from '../Field';
import { FormDialog } from '../FormDialog';
import { ConditionRows } from './ConditionRows';
import { AmountField, CheckList, RadioGroup, SelectField, TextArea, TextField } from './inputs';
import { RulePreview } from './RulePreview';
import { ServerPicker } from './ServerPicker';

export interface NamedChannel {
  id: number;
  name: string;
}

interface RuleDialogProps {
  /** `null` for a new one. */
  rule: Rule | null;
  channels: readonly NamedChannel[];
  onSaved: () => Promise<void>;
  onClose: () => void;
}

export function RuleDialog({ rule, channels, onSaved, onClose }: RuleDialogProps): JSX.Element {
  const text = messages.value;
  const [first] = useState(() => (rule === null ? newRule() : ruleDraft(rule)));
  const [draft, setDraft] = useState(first);
  const set = (change: Partial<RuleDraft>): void => setDraft({ ...draft, ...change });
  const isBuiltIn = rule?.built_in === true;

  const submit = async (): Promise<void> => {
    const body = ruleBody(draft);
    if (rule === null) await call<{ id: number }>('POST', '/alert/rule', { body });
    else await call<null>('PATCH', `/alert/rule/${rule.id}`, { body: changed(ruleBody(first), body) });
    await onSaved();
  };

  return (
    <FormDialog
      title={rule === null ? text.alerts.rules.add : text.alerts.rules.editTitle}
      submitLabel={rule === null ? text.add : text.save}
      onSubmit={submit}
      onClose={onClose}
    >
      {isBuiltIn ? (
        <>
          <p>
            <strong class="breakable">{draft.name}</strong>
          </p>
          <p class="quiet">{text.alerts.rules.builtInHint}</p>
        </>
      ) : (
        <WhatFields draft={draft} set={set} />
      )}
      <Checkbox label={text.alerts.enabled} isChecked={draft.enabled} onChange={(enabled) => set({ enabled })} />
      {!isBuiltIn && <WhereFields draft={draft} set={set} />}
      <ChannelChoice channels={channels} draft={draft} set={set} />
      {!isBuiltIn && (
        <>
          <ToldFields draft={draft} set={set} />
          {/* History has nothing of the hub itself. */}
          {!kindsOf(draft.when).isOfHub && <RulePreview body={() => ruleBody(draft)} />}
        </>
      )}
    </FormDialog>
  );
}

interface PartProps {
  draft: RuleDraft;
  set: (change: Partial<RuleDraft>) => void;
}

/** What is bad, for how long. */
function WhatFields({ draft, set }: PartProps): JSX.Element {
  const text = messages.value.alerts;
  const { hasEvent, hasAbsence } = kindsOf(draft.when);
  return (
    <>
      <TextField
        label={text.name}
        name="name"
        value={draft.name}
        onInput={(name) => set({ name })}
        input={{ isRequired: true, isFirst: true }}
      />
      <SelectField
        label={text.severity}
        name="severity"
        value={draft.severity}
        options={SEVERITIES.map((severity) => [severity, text.severities[severity]])}
        onChange={(severity) => set({ severity })}
      />
      <ConditionRows when={draft.when} onChange={(when) => set({ when })} />
      {hasAbsence && <Checkbox label={text.rules.never} isChecked={draft.never} onChange={(never) => set({ never })} />}
      <div class="field-pair">
        {!hasEvent && (
          <>
            <AmountField
              label={text.rules.hold}
              name="for_s"
              hint={text.rules.holdHint}
              unit="seconds"
              value={draft.hold}
              isRequired
              onChange={(hold) => set({ hold })}
            />
            <TextField
              label={text.rules.share}
              name="share"
              hint={text.rules.shareHint}
              value={draft.share}
              onInput={(share) => set({ share })}
              input={{ type: 'number', isRequired: true, min: 50, max: 100 }}
            />
          </>
        )}
        <AmountField
          label={text.rules.keep}
          name="keep_s"
          hint={text.rules.keepHint}
          unit="seconds"
          value={draft.keep}
          isRequired
          onChange={(keep) => set({ keep })}
        />
      </div>
    </>
  );
}

/** On which servers. */
function WhereFields({ draft, set }: PartProps): JSX.Element | null {
  const text = messages.value.alerts;
  const [hasExceptions, setExceptions] = useState(draft.exceptIds.length > 0);
  if (kindsOf(draft.when).isOfHub) return null;
  return (
    <>
      <RadioGroup
        label={text.rules.scope}
        name="scope"
        value={draft.scope}
        options={(['all', 'tags', 'ids'] as const).map((scope) => [scope, text.rules.scopes[scope]])}
        onChange={(scope) => set({ scope })}
      />
      {draft.scope === 'tags' && (
        <TextField
          label={text.tags}
          name="scope.tags"
          hint={text.tagsHint}
          value={draft.tags}
          onInput={(tags) => set({ tags })}
          input={{ isRequired: true }}
        />
      )}
      {draft.scope === 'ids' ? (
        <ServerPicker
          key="ids"
          label={text.servers}
          name="scope.ids"
          chosen={draft.ids}
          onChange={(chosen) => set({ ids: sorted(chosen) })}
        />
      ) : (
        <details open={hasExceptions} onToggle={(event) => setExceptions(event.currentTarget.open)}>
          <summary>{text.rules.exceptions}</summary>
          {hasExceptions && (
            <ServerPicker
              key="except"
              label={text.rules.exceptions}
              name="except_ids"
              chosen={draft.exceptIds}
              onChange={(chosen) => set({ exceptIds: sorted(chosen) })}
            />
          )}
        </details>
      )}
    </>
  );
}

interface ChannelChoiceProps extends PartProps {
  channels: readonly NamedChannel[];
}

function ChannelChoice({ channels, draft, set }: ChannelChoiceProps): JSX.Element {
  const text = messages.value.alerts.rules;
  return (
    <FieldGroup label={text.channels} name="channels" hint={channels.length === 0 ? text.noChannelsYet : undefined}>
      <CheckList
        options={channels.map(({ id, name }) => [id, name])}
        chosen={draft.channels}
        onChange={(chosen) => set({ channels: sorted(chosen) })}
      />
    </FieldGroup>
  );
}

/** What is told, and the note. */
function ToldFields({ draft, set }: PartProps): JSX.Element {
  const text = messages.value.alerts;
  return (
    <>
      <Checkbox label={text.rules.resolved} isChecked={draft.resolved} onChange={(resolved) => set({ resolved })} />
      <AmountField
        label={text.rules.repeat}
        name="repeat_s"
        hint={text.rules.repeatHint}
        unit="seconds"
        value={draft.repeat}
        onChange={(repeat) => set({ repeat })}
      />
      <TextArea label={text.note} name="note" rows={2} value={draft.note} onInput={(note) => set({ note })} />
    </>
  );
}

/** As the hub keeps it, so that a choice that was taken back is no change. */
function sorted(ids: readonly number[]): number[] {
  return [...ids].sort((a, b) => a - b);
}
