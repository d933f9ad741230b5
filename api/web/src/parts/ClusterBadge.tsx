import type { JSX } from 'preact';

import { troubleOf } from '../cluster/state';
import { askCluster, cluster, mayBeInCluster } from '../cluster/store';
import { messages } from '../i18n';
import { hrefOf } from '../root';
import { usePolling } from './usePolling';

const ASK_INTERVAL_MS = 5_000;

/**
 * Tells administrators at once that the hub is not ready or lags; leads to the page that says more. The status region is
 * there all the time, so that its change is read out; seconds that count up are not.
 */
export function ClusterBadge(): JSX.Element {
  usePolling(askCluster, ASK_INTERVAL_MS, mayBeInCluster.value);
  const text = messages.value.cluster;
  const trouble = cluster.value == null ? null : troubleOf(cluster.value);
  return (
    <span role="status">
      {trouble !== null && (
        <a class="badge" href={hrefOf('/cluster')}>
          {text.badges[trouble.what]}
        </a>
      )}
    </span>
  );
}
