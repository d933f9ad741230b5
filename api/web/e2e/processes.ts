import { spawn } from 'node:child_process';

/** They end by themselves when a test cannot end them. */
const LIFE_S = 900;

/** Starts as many processes, which only wait. Returns what ends them. */
export function startProcesses(count: number): () => void {
  const script = `for ((left = ${count}; left > 0; left--)); do sleep ${LIFE_S} & done; wait`;
  // They are a group of their own, which ends at once.
  const { pid } = spawn('bash', ['-c', script], { detached: true, stdio: 'ignore' });
  if (pid === undefined) throw new Error('bash cannot be started');
  return () => process.kill(-pid, 'SIGKILL');
}
