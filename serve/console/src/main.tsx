// The console: starts what it stands on and puts the page up.
//
// Reading order: `place` (what one may look at, and its address) · `stream/` (events into closed groups into rows) ·
// `time/`, `units/`, `read/` (days, who belongs to whom, what the doors answer): all of these know no page and are
// tested alone · `desk/` (signals: what is looked at, what was heard of it) · `view/` (what is drawn of it).
// Rows are shown as the service told them: nothing here decides a winner, adds up a total or fills a gap.

import { render } from "preact";
import "uplot/dist/uPlot.min.css";
import "./style/tokens.css";
import "./style/layout.css";
import "./style/basics.css";
import "./style/bar.css";
import "./style/units.css";
import "./style/answer.css";
import "./style/tables.css";
import "./style/windows.css";
import { openSomething } from "./desk/directory";
import { startPicture } from "./desk/picture";
import { listenToKeys } from "./desk/shortcuts";
import { Console } from "./view/console";

startPicture();
openSomething();
listenToKeys();
const page = document.getElementById("page");
if (page !== null) render(<Console />, page);
