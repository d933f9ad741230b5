import { type ComponentChildren, createContext, type JSX } from 'preact';
import { useContext, useId } from 'preact/hooks';

import type { Fault } from '../alerts/fault';

/** What the hub said against a field of the form around, by the name of that field. */
export const FaultContext = createContext<Fault | null>(null);

/** What an input gets so that its label, its hint and what the hub said against it belong to it. */
export interface InputAttributes {
  id: string;
  'aria-describedby'?: string;
  'aria-invalid'?: true;
}

interface FieldProps {
  label: string;
  hint?: string | undefined;
  /** As the hub calls it, so that what it says against it is shown here. */
  name?: string | undefined;
  children: (attributes: InputAttributes) => ComponentChildren;
}

/** A label, the input that `children` makes, and a hint. */
export function Field({ label, hint, name, children }: FieldProps): JSX.Element {
  const id = useId();
  const { reason, describedBy } = useDescription(id, name, hint);
  return (
    <div class="field" data-field={name}>
      <label for={id}>{label}</label>
      {children({ id, ...describedBy })}
      <Description id={id} hint={hint} reason={reason} />
    </div>
  );
}

interface FieldGroupProps extends Omit<FieldProps, 'children'> {
  children: ComponentChildren;
}

/** A title, the inputs that belong to it, and a hint. */
export function FieldGroup({ label, hint, name, children }: FieldGroupProps): JSX.Element {
  const id = useId();
  const { reason, describedBy } = useDescription(id, name, hint);
  return (
    <fieldset data-field={name} aria-describedby={describedBy['aria-describedby']}>
      <legend>{label}</legend>
      {children}
      <Description id={id} hint={hint} reason={reason} />
    </fieldset>
  );
}

function useDescription(
  id: string,
  name: string | undefined,
  hint: string | undefined,
): { reason: string | undefined; describedBy: Omit<InputAttributes, 'id'> } {
  const fault = useContext(FaultContext);
  const reason = fault !== null && fault.field === name ? fault.reason : undefined;
  const ids = [hint === undefined ? '' : `${id}-hint`, reason === undefined ? '' : `${id}-fault`];
  const described = ids.filter((one) => one !== '').join(' ');
  return {
    reason,
    describedBy: {
      ...(described === '' ? {} : { 'aria-describedby': described }),
      ...(reason === undefined ? {} : { 'aria-invalid': true }),
    },
  };
}

interface DescriptionProps {
  id: string;
  hint: string | undefined;
  reason: string | undefined;
}

function Description({ id, hint, reason }: DescriptionProps): JSX.Element {
  return (
    <>
      {hint !== undefined && (
        <span class="hint" id={`${id}-hint`}>
          {hint}
        </span>
      )}
      {reason !== undefined && (
        <span class="fault" id={`${id}-fault`} role="alert">
          {reason}
        </span>
      )}
    </>
  );
}

interface CheckboxProps {
  label: string;
  isChecked: boolean;
  onChange: (isChecked: boolean) => void;
}

export function Checkbox({ label, isChecked, onChange }: CheckboxProps): JSX.Element {
  return (
    <label class="checkbox">
      <input type="checkbox" checked={isChecked} onChange={(event) => onChange(event.currentTarget.checked)} />
      <span class="breakable">{label}</span>
    </label>
  );
}
