// uPlot, told what a fan is: many thin lines, one bold, one of another colour, and marks for now and the chosen slot.
//
// The only file that knows the chart library.

import uPlot from "uplot";
import { type Step, aligned, axisRange } from "../read/layers";
import { colour } from "../desk/theme";
import { type Span, hourTicks } from "../time/day";
import { timeOf } from "../time/zone";

export interface FanLine {
  type: "revision" | "withdrawn" | "newest" | "actual";
  /** From 0 for the oldest to 1 for the newest. */
  recency: number;
  batchId: string | null;
  label: string;
  steps: readonly Step[];
}

export interface FanMarks {
  chosen: number | null;
  minutes: number;
  now: number;
  /** A revision to show above the others. */
  batchId: string | null;
}

interface FanHearer {
  point(instant: number | null): void;
  choose(instant: number): void;
  line(line: FanLine | null, value: number | null): void;
}

/** Pixels of the page within which a line is meant. */
const PROXIMITY = 24;
const stepped = uPlot.paths.stepped?.({ align: 1 });

export class Fan {
  private readonly holder: HTMLElement;
  private readonly hearer: FanHearer;
  private readonly resizing: ResizeObserver;
  private plot: uPlot | null = null;
  /** What the plot was made for, all but its values. */
  private frame = "";
  /** Colours of the theme, read once a drawing: asking the style sheet is slow. */
  private palette = new Map<string, string>();
  private lines: FanLine[] = [];
  private span: Span = { from: 0, to: 1 };
  private marks: FanMarks = { chosen: null, minutes: 15, now: 0, batchId: null };

  constructor(holder: HTMLElement, hearer: FanHearer) {
    this.holder = holder;
    this.hearer = hearer;
    this.resizing = new ResizeObserver(() => this.plot?.setSize(this.size()));
    this.resizing.observe(holder);
  }

  show(lines: FanLine[], span: Span, zone: string): void {
    this.lines = lines;
    this.span = span;
    this.palette.clear();
    const { x, layers } = aligned(lines.map((line) => line.steps));
    const data: uPlot.AlignedData = [x, ...layers];
    const frame = [span.from, span.to, zone, this.colour("ink"), ...lines.map((line) => line.type)].join(" ");
    if (frame === this.frame) {
      // Only values are new: what one points at stays pointed at.
      this.plot?.setData(data);
    } else {
      this.plot?.destroy();
      this.plot = new uPlot(this.options(zone), data, this.holder);
      this.frame = frame;
    }
    this.emphasise();
  }

  mark(marks: FanMarks): void {
    this.marks = marks;
    this.emphasise();
    this.plot?.redraw(false);
  }

  remove(): void {
    this.resizing.disconnect();
    this.plot?.destroy();
  }

  private size(): { width: number; height: number } {
    return { width: Math.max(this.holder.clientWidth, 120), height: Math.max(this.holder.clientHeight, 160) };
  }

  private colour(name: string): string {
    const known = this.palette.get(name) ?? colour(name);
    this.palette.set(name, known);
    return known;
  }

  private options(zone: string): uPlot.Options {
    const { from, to } = this.span;
    const ink = this.colour("quiet-ink");
    const line = { stroke: this.colour("line"), width: 1 };
    const font = "12px system-ui, sans-serif";
    const ticks = (plot: uPlot): number[] => {
      return hourTicks(this.span, zone, Math.max(3, Math.floor(plot.width / 64))).map((at) => at / 1_000);
    };
    return {
      ...this.size(),
      legend: { show: false },
      padding: [10, 10, 0, 0],
      cursor: { y: false, drag: { x: false, y: false }, focus: { prox: PROXIMITY }, points: { show: false } },
      focus: { alpha: 0.55 },
      scales: {
        x: { time: true, range: [from / 1_000, to / 1_000] },
        y: { range: (_, least, most) => axisRange(least, most) },
      },
      axes: [
        {
          stroke: ink,
          font,
          grid: line,
          ticks: line,
          splits: ticks,
          values: (_, splits) => splits.map((at) => (at * 1_000 === to ? "24" : timeOf(at * 1_000, zone).slice(0, 2))),
          size: 30,
        },
        { stroke: ink, font, grid: line, ticks: line, size: 58, values: (_, splits) => splits.map(String) },
      ],
      series: [{}, ...this.lines.map((each) => this.series(each))],
      hooks: {
        drawClear: [(plot) => this.drawMarks(plot)],
        setCursor: [(plot) => this.pointed(plot)],
        setSeries: [(plot, index) => this.focused(plot, index)],
        ready: [
          (plot) => {
            plot.over.addEventListener("click", () => this.clicked(plot));
            plot.over.addEventListener("pointerleave", () => this.hearer.point(null));
          },
        ],
      },
    };
  }

  private series(line: FanLine): uPlot.Series {
    const look = { spanGaps: false, points: { show: false }, ...(stepped === undefined ? {} : { paths: stepped }) };
    switch (line.type) {
      case "newest":
        return { ...look, stroke: this.colour("newest"), width: 2.5, fill: this.colour("newest-under") };
      case "actual":
        return { ...look, stroke: this.colour("actual"), width: 2 };
      case "withdrawn":
        return { ...look, stroke: this.colour("withdrawn"), width: 1, dash: [4, 4], alpha: 0.7 };
      case "revision":
        return { ...look, stroke: this.colour("revision"), width: 1, alpha: 0.2 + 0.5 * line.recency };
    }
  }

  /** Shows the revision that is pointed at elsewhere on the page. */
  private emphasise(): void {
    const { batchId } = this.marks;
    this.lines.forEach((line, index) => {
      const series = this.plot?.series[index + 1];
      if (series === undefined || line.batchId === null) return;
      const isMeant = line.batchId === batchId;
      series.width = isMeant ? 2.5 * devicePixelRatio : devicePixelRatio;
      series.stroke = () => this.colour(isMeant ? "emphasis" : line.type === "withdrawn" ? "withdrawn" : "revision");
    });
  }

  private drawMarks(plot: uPlot): void {
    const { ctx, bbox } = plot;
    const { chosen, minutes, now } = this.marks;
    const at = (instant: number): number => plot.valToPos(instant / 1_000, "x", true);
    ctx.save();
    if (chosen !== null && chosen >= this.span.from && chosen < this.span.to) {
      ctx.fillStyle = this.colour("chosen");
      const left = at(chosen);
      ctx.fillRect(left, bbox.top, Math.max(at(chosen + minutes * 60_000) - left, 2), bbox.height);
    }
    if (now > this.span.from && now < this.span.to) {
      ctx.fillStyle = this.colour("now");
      ctx.fillRect(Math.round(at(now)), bbox.top, Math.max(1, Math.round(devicePixelRatio)), bbox.height);
    }
    ctx.restore();
  }

  private pointed(plot: uPlot): void {
    const { left } = plot.cursor;
    if (left === undefined || left < 0) return;
    const instant = plot.posToVal(left, "x") * 1_000;
    if (instant >= this.span.from && instant < this.span.to) this.hearer.point(instant);
  }

  private clicked(plot: uPlot): void {
    const { left } = plot.cursor;
    if (left !== undefined && left >= 0) this.hearer.choose(plot.posToVal(left, "x") * 1_000);
  }

  private focused(plot: uPlot, index: number | null): void {
    const line = index === null ? undefined : this.lines[index - 1];
    const place = plot.cursor.idx;
    const value = index === null || place === null || place === undefined ? null : plot.data[index]?.[place];
    this.hearer.line(line ?? null, value ?? null);
  }
}
