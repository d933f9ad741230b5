import { bytes, bytesPerSecond, decimal, percent } from '../format';
import type { Messages } from '../i18n/en';

export interface ChartSpec {
  id: string;
  title: string;
  /** In the order of the series. */
  metrics: readonly string[];
  labels: readonly string[];
  format: (value: number) => string;
  /** The top of the scale where it is known. */
  max?: number;
  /** Steps of the scale are round in units of 1024. */
  isBytes?: boolean;
  /** Is shown only where there is such hardware: without it nothing or zero is reported. */
  isOptional?: boolean;
}

interface Sizes {
  memTotal: number;
  diskTotal: number;
}

/** The charts of one server. */
export function chartsOf(text: Messages['server'], sizes: Sizes): ChartSpec[] {
  const whole = (value: number): string => decimal(value, 0);
  return [
    { id: 'cpu', title: text.cpu, metrics: ['cpu'], labels: [text.cpu], format: percent, max: 100 },
    {
      id: 'memory',
      title: text.memory,
      metrics: ['mem_used', 'swap_used'],
      labels: [text.memory, text.swap],
      format: bytes,
      isBytes: true,
      ...(sizes.memTotal > 0 ? { max: sizes.memTotal } : {}),
    },
    {
      id: 'network',
      title: text.network,
      metrics: ['net_in_speed', 'net_out_speed'],
      labels: [text.inSpeed, text.outSpeed],
      format: bytesPerSecond,
      isBytes: true,
    },
    {
      id: 'load',
      title: text.load,
      metrics: ['load1', 'load5', 'load15'],
      labels: [text.load1, text.load5, text.load15],
      format: (value) => decimal(value, 2),
    },
    {
      id: 'disk',
      title: text.disk,
      metrics: ['disk_used'],
      labels: [text.used],
      format: bytes,
      isBytes: true,
      ...(sizes.diskTotal > 0 ? { max: sizes.diskTotal } : {}),
    },
    {
      id: 'connections',
      title: text.connections,
      metrics: ['tcp_conn', 'udp_conn', 'process_count'],
      labels: [text.tcp, text.udp, text.processes],
      format: whole,
    },
    {
      id: 'temperature',
      title: text.temperature,
      metrics: ['temperature'],
      labels: [text.temperature],
      format: (value) => `${decimal(value, 1)} °C`,
      isOptional: true,
    },
    { id: 'gpu', title: text.gpu, metrics: ['gpu'], labels: [text.gpu], format: percent, max: 100, isOptional: true },
  ];
}
