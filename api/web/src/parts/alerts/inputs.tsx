import type { ComponentChildren, JSX } from 'preact';
import { useId } from 'preact/hooks';

import { type Amount, scalesOf } from '../../alerts/amount';
import type { Unit } from '../../alerts/measures';
import { scaleText } from '../../alerts/texts';
import { messages } from '../../i18n';
import { Checkbox, Field, FieldGroup, type InputAttributes } from '../Field';

interface LabelProps {
  label: string;
  /** As the hub calls it. */
  name: string;
  hint?: string | undefined;
}

/** What an input is beside a text. */
export interface InputKind {
  type?: 'text' | 'password' | 'number' | 'datetime-local' | 'time';
  isRequired?: boolean;
  /** Has the focus when its dialog opens. */
  isFirst?: boolean;
  min?: number;
  max?: number;
  placeholder?: string | undefined;
}

interface TextFieldProps extends LabelProps {
  value: string;
  onInput: (value: string) => void;
  input?: InputKind;
}

export function TextField({ label, name, hint, value, onInput, input = {} }: TextFieldProps): JSX.Element {
  const { type = 'text', isRequired = false, isFirst = false, min, max, placeholder } = input;
  return (
    <Field label={label} name={name} hint={hint}>
      {(attributes) => (
        <input
          {...attributes}
          // One literal, as Preact's types want it: they tell inputs apart by it.
          type={type as 'text'}
          required={isRequired}
          data-autofocus={isFirst || undefined}
          // Browsers take a mail server's password for that of this page.
          autocomplete={type === 'password' ? 'new-password' : 'off'}
          spellcheck={false}
          step={type === 'number' ? 'any' : undefined}
          min={min}
          max={max}
          placeholder={placeholder}
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface TextAreaProps extends LabelProps {
  value: string;
  rows: number;
  onInput: (value: string) => void;
}

export function TextArea({ label, name, hint, value, rows, onInput }: TextAreaProps): JSX.Element {
  return (
    <Field label={label} name={name} hint={hint}>
      {(attributes) => (
        <textarea
          {...attributes}
          rows={rows}
          spellcheck={false}
          value={value}
          onInput={(event) => onInput(event.currentTarget.value)}
        />
      )}
    </Field>
  );
}

interface SelectFieldProps<Value extends string> extends LabelProps {
  value: Value;
  options: readonly (readonly [value: Value, text: string])[];
  onChange: (value: Value) => void;
}

export function SelectField<Value extends string>(props: SelectFieldProps<Value>): JSX.Element {
  const { label, name, hint, value, options, onChange } = props;
  return (
    <Field label={label} name={name} hint={hint}>
      {(attributes) => <Select {...attributes} value={value} options={options} onChange={onChange} />}
    </Field>
  );
}

interface SelectProps<Value extends string> extends Partial<InputAttributes> {
  'aria-label'?: string;
  value: Value;
  options: readonly (readonly [value: Value, text: string])[];
  onChange: (value: Value) => void;
}

export function Select<Value extends string>({ value, options, onChange, ...rest }: SelectProps<Value>): JSX.Element {
  return (
    <select
      {...rest}
      value={value}
      onChange={({ currentTarget }) => {
        const chosen = options.find(([one]) => one === currentTarget.value);
        if (chosen) onChange(chosen[0]);
      }}
    >
      {options.map(([one, text]) => (
        <option key={one} value={one}>
          {text}
        </option>
      ))}
    </select>
  );
}

interface RadioGroupProps<Value extends string> extends SelectFieldProps<Value> {
  /** What the choice needs. */
  children?: ComponentChildren;
}

/** One of a few. */
export function RadioGroup<Value extends string>(props: RadioGroupProps<Value>): JSX.Element {
  const { label, name, hint, value, options, onChange, children } = props;
  const group = useId();
  return (
    <FieldGroup label={label} name={name} hint={hint}>
      <div class="radios">
        {options.map(([one, text]) => (
          <label key={one} class="checkbox">
            <input type="radio" name={group} checked={one === value} onChange={() => onChange(one)} />
            <span>{text}</span>
          </label>
        ))}
      </div>
      {children}
    </FieldGroup>
  );
}

interface CheckListProps<Key> {
  options: readonly (readonly [key: Key, text: string])[];
  chosen: readonly Key[];
  onChange: (chosen: Key[]) => void;
}

/** Any number of many, in the order in which they are offered. */
export function CheckList<Key extends string | number>({
  options,
  chosen,
  onChange,
}: CheckListProps<Key>): JSX.Element {
  const set = (key: Key, isChecked: boolean): void => {
    const others = chosen.filter((one) => one !== key);
    onChange(isChecked ? [...others, key] : others);
  };
  return (
    <div class="check-list">
      {options.map(([key, text]) => (
        <Checkbox
          key={key}
          label={text}
          isChecked={chosen.includes(key)}
          onChange={(isChecked) => set(key, isChecked)}
        />
      ))}
    </div>
  );
}

interface AmountFieldProps extends LabelProps {
  unit: Unit;
  value: Amount;
  isRequired?: boolean;
  placeholder?: string;
  onChange: (value: Amount) => void;
}

/** A number with its unit. */
export function AmountField(props: AmountFieldProps): JSX.Element {
  const { label, name, hint, unit, value, isRequired = false, placeholder, onChange } = props;
  const scales = scalesOf(unit);
  const only = scales.length === 1 ? scales[0] : undefined;
  return (
    <Field label={label} name={name} hint={hint}>
      {(attributes) => (
        <span class="amount">
          <input
            {...attributes}
            type="number"
            step="any"
            required={isRequired}
            placeholder={placeholder}
            value={value.text}
            onInput={(event) => onChange({ ...value, text: event.currentTarget.value })}
          />
          {only && only.name !== '' && <span>{only.name}</span>}
          {!only && (
            <Select
              aria-label={messages.value.alerts.unitOf(label)}
              value={String(value.factor)}
              options={scales.map(({ name, factor }) => [String(factor), scaleText(name)])}
              onChange={(factor) => onChange({ ...value, factor: Number(factor) })}
            />
          )}
        </span>
      )}
    </Field>
  );
}
