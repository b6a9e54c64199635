import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadProject } from '../load-project.ts'
import { checkRunnable } from './check-runnable.ts'

const options = {
  interpolation: true,
  normalization: true,
  pathResolution: true,
  consistency: true,
  envResolution: false,
  warn: () => undefined,
}

/** What is wrong; empty when nothing is. */
function fault(text: string): string {
  const source = { files: [{ path: '/p/c.yaml', text }], folder: '/p', name: 'p', profiles: [] }
  const project = loadProject({ ...source, environment: new Map(), sources: new Map() }, options)
  try {
    checkRunnable(project)
    return ''
  } catch (error) {
    return error instanceof Error ? error.message.replaceAll('/p/', '') : ''
  }
}

const service = (line: string) => `services:\n  a:\n    image: busybox\n    ${line}\n`

test('values that no engine takes are refused with their place', () => {
  const cases: Readonly<Record<string, string>> = {
    'restart: sometimes': `c.yaml:4:14: services.a.restart: invalid restart policy: unknown policy 'sometimes'; use one of 'no', 'always', 'unless-stopped', 'on-failure'`,
    'restart: always:3': `c.yaml:4:14: services.a.restart: invalid restart policy: maximum retry count can only be used with 'on-failure'`,
    'cap_add: [NET_ADMN]':
      'c.yaml:4:15: services.a.cap_add.0: unknown capability: "NET_ADMN"; did you mean NET_ADMIN?',
    'ulimits: {nofiles: 1}':
      'c.yaml:4:15: services.a.ulimits.nofiles: invalid ulimit type: nofiles; did you mean nofile?',
    'stop_signal: SIGNOPE': 'c.yaml:4:18: services.a.stop_signal: invalid signal: SIGNOPE',
    'mac_address: zz': 'c.yaml:4:18: services.a.mac_address: invalid MAC address: "zz"',
    'dns: [1.1.1.1, x]': 'c.yaml:4:20: services.a.dns.1: invalid IP address: "x"',
    'extra_hosts: ["h:x"]': 'c.yaml:4:18: services.a.extra_hosts.h: invalid IP address in add-host: "x"',
    'tmpfs: [run]': 'c.yaml:4:13: services.a.tmpfs.0: the target of a tmpfs must be absolute, not "run"',
    'working_dir: x': 'c.yaml:4:18: services.a.working_dir: the working directory must be absolute, not "x"',
    'networks: {default: {ipv4_address: "::1"}}':
      'c.yaml:4:40: services.a.networks.default.ipv4_address: invalid IPv4 address: "::1"',
    'volumes: [{type: bind, source: /x, target: y}]':
      'c.yaml:4:48: services.a.volumes.0.target: the target of a mount must be absolute, not "y"',
  }
  for (const [line, expected] of Object.entries(cases)) assert.equal(fault(service(line)), expected)
  assert.match(
    fault(`${service('command: x')}networks: {default: {ipam: {config: [{subnet: 10.0.0.0/33}]}}}\n`),
    /^c\.yaml:5:47: networks\.default\.ipam\.config\.0\.subnet: invalid subnet/,
  )
})

test('what is right passes', () => {
  for (const line of [
    'restart: on-failure:3',
    'restart: "no"',
    'cap_add: [ALL, cap_net_admin]',
    'ulimits: {nofile: {soft: 1, hard: 2}}',
    'stop_signal: RTMIN+3',
    'extra_hosts: ["h:host-gateway", "i:[::1]"]',
    'dns: "1.1.1.1"',
    'tmpfs: "/run:size=1m"',
    'ports: ["8000-8001:80", "127.0.0.1:9:9", "127.0.0.2:9:9"]',
  ])
    assert.equal(fault(service(line)), '', line)
})

test('secrets and configs have to be there', () => {
  const secret = (body: string) => `${service('secrets: [s]')}secrets: {s: ${body}}\n`
  assert.equal(
    fault(secret('{file: ./none}')),
    'c.yaml:4:15: services.a.secrets.0: secret "s": file none does not exist',
  )
  assert.match(
    fault(secret('{environment: NOPE}')),
    /^c\.yaml:4:15: .* environment variable "NOPE" is not set$/,
  )
  assert.match(fault(secret('{external: true}')), /unsupported external secret/)
})

test('one port of the host is one service’s, unless they run in turn', () => {
  const two = (more: string, port = '80:80') =>
    `services:\n  a: {image: x, ports: ["80:80"]}\n  b:\n    image: x\n    ports: ["${port}"]\n    ${more}\n`
  assert.equal(
    fault(two('command: x')),
    'c.yaml:5:13: services.b.ports: port 80/tcp is published by service "a" already (c.yaml:2)',
  )
  assert.match(fault(two('command: x', '127.0.0.1:80:80')), /published by service "a"/)
  assert.equal(fault(two('command: x', '80:80/udp')), '')
  assert.equal(fault(two('scale: 0')), '')
  assert.equal(fault(two('depends_on: {a: {condition: service_completed_successfully}}')), '')
})
