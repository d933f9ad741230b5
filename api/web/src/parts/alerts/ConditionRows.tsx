import type { JSX } from 'preact';

import { scalesOf } from '../../alerts/amount';
import { MEASURE_NAMES, measureOf } from '../../alerts/measures';
import { CONDITIONS_MAX, type ConditionDraft, newCondition, type Operator, withMetric } from '../../alerts/rule';
import { measureText, scaleText } from '../../alerts/texts';
import { messages } from '../../i18n';
import { Field, FieldGroup } from '../Field';
import { PlusIcon, TrashIcon } from '../Icons';
import { Select, SelectField, TextField } from './inputs';

interface ConditionRowsProps {
  when: readonly ConditionDraft[];
  onChange: (when: ConditionDraft[]) => void;
}

/** A row for each condition. */
export function ConditionRows({ when, onChange }: ConditionRowsProps): JSX.Element {
  const text = messages.value.alerts.rules;
  const add = (): void => {
    const key = Math.max(-1, ...when.map((condition) => condition.key)) + 1;
    onChange([...when, newCondition(key, 'cpu')]);
  };
  return (
    <FieldGroup label={text.conditions} name="when" hint={text.conditionsHint}>
      {when.map((condition, index) => (
        <ConditionRow
          key={condition.key}
          condition={condition}
          index={index}
          onChange={(next) => onChange(when.with(index, next))}
          onRemove={when.length > 1 ? () => onChange(when.toSpliced(index, 1)) : null}
        />
      ))}
      {when.length < CONDITIONS_MAX && (
        <div>
          <button type="button" class="button small" onClick={add}>
            <PlusIcon />
            {text.addCondition}
          </button>
        </div>
      )}
    </FieldGroup>
  );
}

interface ConditionRowProps {
  condition: ConditionDraft;
  index: number;
  onChange: (condition: ConditionDraft) => void;
  /** `null` for the only one. */
  onRemove: (() => void) | null;
}

function ConditionRow({ condition, index, onChange, onRemove }: ConditionRowProps): JSX.Element {
  const text = messages.value.alerts.rules;
  const { unit, kind } = measureOf(condition.metric);
  const set = (change: Partial<ConditionDraft>): void => onChange({ ...condition, ...change });
  const place = `when[${index}]`;
  return (
    <div class="condition" role="group" aria-label={text.condition(index + 1)}>
      <MetricField
        name={`${place}.metric`}
        metric={condition.metric}
        onChange={(metric) => onChange(withMetric(condition, metric))}
      />
      {unit !== '' && (
        <>
          <SelectField<Operator>
            label={text.operator}
            name={`${place}.op`}
            value={condition.op}
            options={
              kind === 'absence'
                ? [['>', text.operators['>']]]
                : [
                    ['>', text.operators['>']],
                    ['<', text.operators['<']],
                  ]
            }
            onChange={(op) => set({ op })}
          />
          <TextField
            label={text.value}
            name={`${place}.value`}
            value={condition.value}
            onInput={(value) => set({ value })}
            input={{ type: 'number', isRequired: true }}
          />
          <UnitChoice condition={condition} onChange={(factor) => set({ factor })} />
          <TextField
            label={text.clear}
            name={`${place}.clear`}
            value={condition.clear}
            onInput={(clear) => set({ clear })}
            input={{ type: 'number', placeholder: text.clearHint }}
          />
        </>
      )}
      {onRemove !== null && (
        <button
          type="button"
          class="icon-button danger"
          aria-label={text.removeCondition(index + 1)}
          onClick={onRemove}
        >
          <TrashIcon />
        </button>
      )}
    </div>
  );
}

interface MetricFieldProps {
  name: string;
  metric: string;
  onChange: (metric: string) => void;
}

function MetricField({ name, metric, onChange }: MetricFieldProps): JSX.Element {
  const text = messages.value.alerts;
  const isOfHub = (one: string): boolean => measureOf(one).kind === 'hub';
  // A metric that only a newer hub knows stays a choice.
  const names: string[] = MEASURE_NAMES.some((one) => one === metric) ? MEASURE_NAMES : [metric, ...MEASURE_NAMES];
  const options = (isHub: boolean): JSX.Element[] =>
    names
      .filter((one) => isOfHub(one) === isHub)
      .map((one) => (
        <option key={one} value={one}>
          {measureText(one)}
        </option>
      ));
  return (
    <Field label={text.rules.metric} name={name}>
      {(attributes) => (
        <select {...attributes} value={metric} onChange={(event) => onChange(event.currentTarget.value)}>
          <optgroup label={text.measureGroups.servers}>{options(false)}</optgroup>
          <optgroup label={text.measureGroups.hub}>{options(true)}</optgroup>
        </select>
      )}
    </Field>
  );
}

interface UnitChoiceProps {
  condition: ConditionDraft;
  onChange: (factor: number) => void;
}

/** The unit of a condition's two numbers. */
function UnitChoice({ condition, onChange }: UnitChoiceProps): JSX.Element | null {
  const text = messages.value.alerts;
  const scales = scalesOf(measureOf(condition.metric).unit);
  const [only, ...others] = scales;
  if (others.length === 0) return only === undefined || only.name === '' ? null : <span class="unit">{only.name}</span>;
  return (
    <Select
      aria-label={text.unitOf(text.rules.value)}
      value={String(condition.factor)}
      options={scales.map(({ name, factor }) => [String(factor), scaleText(name)])}
      onChange={(factor) => onChange(Number(factor))}
    />
  );
}
