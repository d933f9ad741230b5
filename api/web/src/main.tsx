import './style/main.css';

import { render } from 'preact';

import { startFiring } from './alerts/firing';
import { App } from './App';
import { startCluster } from './cluster/store';
import { startLanguage } from './i18n';
import { startLive } from './live/store';
import { startRoot } from './root';
import { startRouter } from './router';
import { startTheme } from './theme';

startRoot();
startTheme();
startLanguage();
startRouter();
startLive();
startFiring();
startCluster();

const root = document.getElementById('app');
if (root) render(<App />, root);
