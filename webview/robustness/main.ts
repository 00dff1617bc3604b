import '../shared/noEval.js';

import { reportElementId } from '../../src/protocol/report.js';
import { robustnessReportSchema } from '../../src/protocol/robustness.js';
import { followScheme } from '../report/scheme.js';
import { installPatterns } from '../shared/chart/draw.js';
import './robustness.css';
import { robustnessView } from './view.js';

// The page is a file of its own: what it shows is in it, and nobody answers it.
const data = document.getElementById(reportElementId)?.textContent ?? '';
followScheme();
installPatterns();
document.body.prepend(robustnessView(robustnessReportSchema.parse(JSON.parse(data))));
