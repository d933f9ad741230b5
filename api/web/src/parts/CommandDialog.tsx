import type { JSX } from 'preact';
import { useState } from 'preact/hooks';

import { type AgentCommand, reachOf, rememberAddress } from '../agentCommand';
import { messages } from '../i18n';
import { Field } from './Field';
import { SecretDialog } from './SecretDialog';

interface CommandDialogProps {
  title: string;
  /** Why it has to be copied now. */
  hint: string;
  command: AgentCommand;
  onClose: () => void;
}

/** Shows the command that starts an agent, once; with the address that leads this agent to the hub. */
export function CommandDialog({ title, hint, command, onClose }: CommandDialogProps): JSX.Element {
  const text = messages.value.command;
  const [address, setAddress] = useState(command.address);
  const reach = reachOf(address);
  return (
    <SecretDialog
      title={title}
      hint={hint}
      label={messages.value.manage.command}
      secret={command.write(address)}
      onClose={onClose}
    >
      <Field label={text.address} hint={text.addressHint}>
        {(attributes) => (
          <input
            {...attributes}
            type="text"
            autocapitalize="none"
            autocomplete="off"
            spellcheck={false}
            value={address}
            onInput={(event) => setAddress(event.currentTarget.value)}
            onChange={(event) => rememberAddress(event.currentTarget.value)}
          />
        )}
      </Field>
      <p class={reach === 'everybody' ? 'warning hidden' : 'warning'} role="status">
        {reach === 'this-machine' && text.onlyHere(address.trim())}
        {reach === 'nobody' && text.nowhere}
      </p>
    </SecretDialog>
  );
}
