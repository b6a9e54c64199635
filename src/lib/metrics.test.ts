import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Metrics } from './metrics.ts'

test('counters, gauges and histograms come out as Prometheus reads them', () => {
  const metrics = new Metrics()
  const requests = metrics.counter('requests_total', 'Requests.')
  metrics.counter('never_total', 'None\nyet.')
  metrics.gauge('open', 'Open.', () => 3)
  metrics.counterOf('seen_total', 'Elsewhere.', () => [{ value: 1.5, labels: { what: 'a"b\\c\nd' } }])
  const took = metrics.histogram('took_seconds', 'Time.', [0.1, 1])
  requests.add(1, { status: '200' })
  requests.add(2, { status: '200' })
  requests.add(1, { status: '404' })
  for (const seconds of [0.1, 0.5, 7]) took.observe(seconds, { method: 'GET' })
  assert.equal(
    metrics.text(),
    `# HELP requests_total Requests.
# TYPE requests_total counter
requests_total{status="200"} 3
requests_total{status="404"} 1
# HELP never_total None\\nyet.
# TYPE never_total counter
never_total 0
# HELP open Open.
# TYPE open gauge
open 3
# HELP seen_total Elsewhere.
# TYPE seen_total counter
seen_total{what="a\\"b\\\\c\\nd"} 1.5
# HELP took_seconds Time.
# TYPE took_seconds histogram
took_seconds_bucket{method="GET",le="0.1"} 1
took_seconds_bucket{method="GET",le="1"} 2
took_seconds_bucket{method="GET",le="+Inf"} 3
took_seconds_sum{method="GET"} 7.6
took_seconds_count{method="GET"} 3
`,
  )
})
