import type { Conditions } from '../conditions/conditions.ts'
import { valuesOf } from '../samples.ts'
import { type ContenderName, titles } from '../world/contender.ts'
import { conditionLines } from './conditions-text.ts'
import { type Measured, number, type Row, ratioText, sections, targetText } from './table.ts'

const width = 360
const lane = 16

/** The report as one page that needs nothing else: every run a dot, medians as bars, on a scale from 0. */
export function renderHtml(measured: Measured, conditions: Conditions): string {
  const parts = sections(measured).map(
    ({ title, rows }) => `<section><h2>${text(title)}</h2><table>
<tr><th></th><th class="plot">${legend(measured.contenders)}</th><th>median</th><th>ours / peer</th><th>target</th></tr>
${rows.map(row => renderRow(row, measured)).join('\n')}
</table></section>`
  )
  const facts = conditionLines(conditions, measured).map(
    ([name, value]) => `<dt>${text(name)}</dt><dd>${text(value)}</dd>`
  )
  const refused = measured.refusals.map(
    ({ case: name, contender, run, reason }) =>
      `<li>${text(`${name}, ${titles[contender]}, run ${run}: ${reason}`)}</li>`
  )
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Culvert benchmark, ${text(conditions.time.slice(0, 10))}</title><style>${style}</style></head>
<body><h1>Culvert benchmark</h1>
<dl>${facts.join('\n')}</dl>
${parts.join('\n')}
${refused.length === 0 ? '' : `<section><h2>Refused runs</h2><ul>${refused.join('\n')}</ul></section>`}
</body></html>
`
}

function renderRow(row: Row, measured: Measured): string {
  const { metric, summaries, reached } = row
  const verdict = reached === undefined ? '' : reached ? ' class="reached"' : ' class="missed"'
  const medians = measured.contenders.flatMap(name => {
    const summary = summaries.get(name)
    return summary === undefined ? [] : [`<div class="${name}">${number(summary.median)}</div>`]
  })
  return `<tr><td>${text(metric.title)}<small>${text(metric.unit)}</small></td><td class="plot">${plot(row, measured)}</td>
<td class="number">${medians.join('')}</td><td class="number">${text(ratioText(row.ratio))}</td><td${verdict}>${text(targetText(row))}</td></tr>`
}

/** A lane for each contender. */
function plot({ metric, summaries }: Row, { contenders, samples }: Measured): string {
  const lanes = contenders.filter(name => summaries.has(name))
  const largest = Math.max(...[...summaries.values()].map(({ max }) => max), Number.MIN_VALUE)
  const x = (value: number): string => ((Math.max(0, value) / largest) * (width - 10) + 5).toFixed(1)
  const shapes = lanes.map((name, index) => {
    const y = index * lane + lane / 2
    const { median } = summaries.get(name)!
    const dots = [...valuesOf(samples, metric.name, name)].map(
      ([run, value]) => `<circle cx="${x(value)}" cy="${y}" r="3"><title>run ${run}: ${number(value)}</title></circle>`
    )
    return `<g class="${name}"><rect x="5" y="${y - 5}" width="${(Number(x(median)) - 5).toFixed(1)}" height="10"/>${dots.join('')}</g>`
  })
  const height = lanes.length * lane
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img">${shapes.join('')}</svg>`
}

const legend = (contenders: readonly ContenderName[]): string =>
  contenders.map(name => `<span class="${name}">● ${text(titles[name])}</span>`).join(' ')

const text = (raw: string): string =>
  raw.replace(/[&<>"]/g, character => ({ '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' })[character]!)

const style = `
:root{color-scheme:light dark;--back:#fff;--text:#1a1a1a;--soft:#666;--line:#ddd;--ours:#0b6bcb;--peer:#c2570c;--direct:#777}
@media(prefers-color-scheme:dark){:root{--back:#16181c;--text:#e8e8e8;--soft:#a0a0a0;--line:#333;--ours:#5aa9f7;--peer:#f0954a;--direct:#999}}
body{background:var(--back);color:var(--text);font:15px/1.45 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem}
h1{font-size:1.5rem}h2{font-size:1.1rem;margin-top:2rem}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.2rem 1rem}dt{color:var(--soft)}dd{margin:0}
section{overflow-x:auto}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3rem .6rem;border-bottom:1px solid var(--line);vertical-align:middle}
th{font-weight:normal;color:var(--soft)}small{color:var(--soft);margin-left:.5rem}
.plot{width:${width}px}.number{font-variant-numeric:tabular-nums;white-space:nowrap}
.reached{color:#1a7f37}.missed{color:#cf222e;font-weight:600}
@media(prefers-color-scheme:dark){.reached{color:#56d364}.missed{color:#ff7b72}}
.ours{color:var(--ours);fill:var(--ours)}.peer{color:var(--peer);fill:var(--peer)}.direct{color:var(--direct);fill:var(--direct)}
rect{opacity:.25}svg{display:block}
`
