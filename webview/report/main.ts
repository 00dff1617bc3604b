import '../shared/noEval.js';

import { reportElementId, reportSchema } from '../../src/protocol/report.js';
import { installPatterns } from '../shared/chart/draw.js';
import { followScheme } from './scheme.js';
import { reportView } from './view.js';
import './report.css';

// The page is a file of its own: what it shows is in it, and nobody answers it.
const data = document.getElementById(reportElementId)?.textContent ?? '';
followScheme();
installPatterns();
document.body.prepend(reportView(reportSchema.parse(JSON.parse(data))));
