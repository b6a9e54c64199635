import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { assertValid, one, translated } from './testing.ts'

const shop = `
services:
  web:
    image: registry.example/web:1
    entrypoint: [/app, --flag]
    command: ["echo $$(HOME) $$$$"]
    working_dir: /srv
    user: "1000:1001"
    read_only: true
    cap_drop: [ALL]
    cap_add: [CAP_NET_BIND_SERVICE]
    security_opt: ["no-new-privileges:true"]
    ports: ["8080:80", "127.0.0.1:9000:9000", "53:53/udp"]
    expose: ["7000-7001"]
    environment: {PLAIN: a, DB_PASSWORD: hunter2, TAKEN: "$$(X)"}
    restart: always
    stop_grace_period: 1m30s
    deploy:
      replicas: 3
      resources: {limits: {cpus: "0.5", memory: 256M}, reservations: {memory: 64M}}
      update_config: {parallelism: 2, order: start-first}
      placement: {constraints: ["node.labels.disk == ssd"]}
    depends_on:
      db: {condition: service_healthy}
      migrate: {condition: service_completed_successfully}
      quiet: {condition: service_healthy}
    networks: {front: {aliases: [www]}, back: {}}
    tmpfs: ["/tmp:size=64m"]
    secrets: [{source: key, target: app.key, mode: 0400}]
    configs: [{source: settings, target: /etc/app.conf}]
    extra_hosts: ["old:10.0.0.1"]
  db:
    image: postgres:15
    volumes: ["data:/var/lib/postgresql/data"]
    expose: [5432]
    healthcheck: {test: pg_isready, interval: 1500ms, timeout: 2s, retries: 5}
    networks: [back]
  migrate:
    image: registry.example/web:1
    restart: on-failure:4
    networks: [back]
  quiet: {image: x, networks: [front], healthcheck: {test: [CMD, check]}}
networks: {front: {}, back: {internal: true}}
volumes: {data: {}}
secrets: {key: {environment: KEY}}
configs: {settings: {content: "a=1"}}
`

test('every object fits the schemas of Kubernetes', async () => {
  const { manifests } = translated(shop, { environment: { KEY: 'k' } })
  for (const manifest of manifests) await assertValid(manifest)
  assert.deepEqual(
    manifests.map(({ kind, metadata }) => `${kind} ${metadata.name}`),
    [
      'ServiceAccount p-waits',
      'Role p-waits',
      'RoleBinding p-waits',
      'Secret key',
      'Secret web-env',
      'ConfigMap settings',
      'PersistentVolumeClaim data',
      'NetworkPolicy network-front',
      'NetworkPolicy network-back',
      'NetworkPolicy web-published',
      'NetworkPolicy db-internal',
      'NetworkPolicy migrate-internal',
      'Service db',
      'Service quiet',
      'Service web',
      'Service www',
      'Service web-published',
      'StatefulSet db',
      'Job migrate',
      'Deployment quiet',
      'Deployment web',
    ],
  )
})

test('a container keeps its command, rights, variables and mounts', () => {
  const { manifests } = translated(shop, { environment: { KEY: 'k' } })
  const { spec } = one(manifests, 'Deployment', 'web')
  assert.equal(spec?.replicas, 3)
  assert.deepEqual(spec.strategy?.rollingUpdate, { maxSurge: 2, maxUnavailable: 0 })
  const pod = spec.template.spec
  assert.equal(pod?.terminationGracePeriodSeconds, 90)
  assert.deepEqual(pod.nodeSelector, { disk: 'ssd' })
  assert.deepEqual(pod.hostAliases, [{ ip: '10.0.0.1', hostnames: ['old'] }])
  const [container] = pod.containers
  assert.deepEqual(container?.command, ['/app', '--flag'])
  assert.deepEqual(container.args, ['echo $$(HOME) $$$$'])
  assert.deepEqual(container.securityContext, {
    allowPrivilegeEscalation: false,
    runAsUser: 1000,
    runAsGroup: 1001,
    readOnlyRootFilesystem: true,
    capabilities: { add: ['NET_BIND_SERVICE'], drop: ['ALL'] },
  })
  assert.deepEqual(container.resources, {
    limits: { cpu: '500m', memory: '256Mi' },
    requests: { memory: '64Mi' },
  })
  assert.deepEqual(container.env, [
    { name: 'DB_PASSWORD', valueFrom: { secretKeyRef: { name: 'web-env', key: 'DB_PASSWORD' } } },
    { name: 'PLAIN', value: 'a' },
    { name: 'TAKEN', value: '$$(X)' },
  ])
  assert.deepEqual(container.volumeMounts, [
    { name: 'tmpfs-tmp', mountPath: '/tmp' },
    { name: 'secret-key', mountPath: '/run/secrets/app.key', subPath: 'key', readOnly: true },
    { name: 'config-settings', mountPath: '/etc/app.conf', subPath: 'settings', readOnly: true },
  ])
  assert.deepEqual(
    pod.volumes?.map(({ emptyDir, secret }) => emptyDir ?? secret?.items),
    [{ medium: 'Memory', sizeLimit: '64Mi' }, [{ key: 'key', path: 'key', mode: 0o400 }], undefined],
  )
})

test('conditions become containers that wait; a job may be looked at', () => {
  const { manifests } = translated(shop, { environment: { KEY: 'k' } })
  const pod = one(manifests, 'Deployment', 'web').spec?.template.spec
  assert.equal(pod?.serviceAccountName, 'p-waits')
  assert.deepEqual(
    pod.initContainers?.map(({ name, command }) => [name, command?.at(-1)]),
    [
      ['wait-for-db', 'until nc -z -w 2 db 5432; do echo waiting for db; sleep 2; done'],
      ['wait-for-migrate', 'job/migrate'],
      [
        'wait-for-quiet',
        'until nslookup -type=a quiet.$$(cat /var/run/secrets/kubernetes.io/serviceaccount/namespace).svc.cluster.local; do echo waiting for quiet; sleep 2; done',
      ],
    ],
  )
  assert.equal(one(manifests, 'Job', 'migrate').spec?.backoffLimit, 4)
  const probe = one(manifests, 'StatefulSet', 'db').spec?.template.spec?.containers[0]?.readinessProbe
  assert.deepEqual(probe, {
    exec: { command: ['/bin/sh', '-c', 'pg_isready'] },
    periodSeconds: 2,
    timeoutSeconds: 2,
    failureThreshold: 5,
  })
})

test('published ports have a balancer of their own; a service without known ports is its pods', () => {
  const { manifests, notes } = translated(shop, { environment: { KEY: 'k' } })
  const ports = (name: string) =>
    one(manifests, 'Service', name).spec?.ports?.map(
      ({ port, targetPort, protocol }) => `${port}:${targetPort}/${protocol}`,
    )
  assert.deepEqual(ports('web-published'), ['8080:80/TCP', '53:53/UDP'])
  assert.deepEqual(ports('www'), [
    '80:80/TCP',
    '9000:9000/TCP',
    '53:53/UDP',
    '7000:7000/TCP',
    '7001:7001/TCP',
  ])
  assert.equal(one(manifests, 'Service', 'quiet').spec?.clusterIP, 'None')
  assert.match(
    notes.find(({ path }) => path === 'services.web.ports.1')?.why ?? '',
    /port-forward service\/web 9000:9000/,
  )
})

test('what an image says counts where the file is silent', () => {
  const { manifests } = translated('services: {a: {image: x, restart: always}}', {
    images: {
      a: { ExposedPorts: { '80/tcp': {} }, Healthcheck: { Test: ['CMD', 'ok'], Interval: 5e9 } },
    },
  })
  assert.equal(one(manifests, 'Service', 'a').spec?.ports?.[0]?.port, 80)
  const [container] = one(manifests, 'Deployment', 'a').spec?.template.spec?.containers ?? []
  assert.equal(container?.readinessProbe?.periodSeconds, 5)
})

test('what cannot be said is named with its line', () => {
  const { notes } = translated(`
services:
  A_b:
    build: .
    user: www-data
    ulimits: {nofile: 10}
    network_mode: none
    deploy: {restart_policy: {window: 3s}}
    environment: {"BAD NAME": 1}
`)
  assert.deepEqual(
    notes.map(({ kind, at, path }) => `${kind} ${at.line} ${path}`),
    [
      'hint 3 services.A_b',
      'lost 4 services.A_b.build',
      'lost 5 services.A_b.user',
      'lost 6 services.A_b.ulimits',
      'lost 7 services.A_b.network_mode',
      'lost 8 services.A_b.deploy.restart_policy.window',
      'lost 9 services.A_b.environment.BAD NAME',
    ],
  )
})

test('files of the project become a ConfigMap; what is no such thing is named', () => {
  const folder = mkdtempSync(join(tmpdir(), 'compose-kube-'))
  try {
    writeFileSync(join(folder, 'nginx.conf'), 'server {}\n')
    mkdirSync(join(folder, 'sites'))
    writeFileSync(join(folder, 'sites/a.conf'), 'a')
    writeFileSync(join(folder, 'sites/b.bin'), Buffer.from([0xff, 0]))
    mkdirSync(join(folder, 'src/deep'), { recursive: true })
    const { manifests, notes } = translated(
      `
services:
  web:
    image: x
    volumes:
      - ./nginx.conf:/etc/nginx.conf:ro
      - ./sites:/etc/sites:ro
      - ./src:/src
      - ./none:/none
      - /var/run/x.sock:/x.sock
`,
      { folder },
    )
    assert.deepEqual(one(manifests, 'ConfigMap', 'web-nginx-conf').data, { 'nginx.conf': 'server {}\n' })
    assert.deepEqual(one(manifests, 'ConfigMap', 'web-sites').binaryData, { 'b.bin': '/wA=' })
    const [container] = one(manifests, 'Deployment', 'web').spec?.template.spec?.containers ?? []
    assert.deepEqual(container?.volumeMounts, [
      { name: 'web-nginx-conf', mountPath: '/etc/nginx.conf', readOnly: true, subPath: 'nginx.conf' },
      { name: 'web-sites', mountPath: '/etc/sites', readOnly: true },
      { name: 'host-var-run-x-sock', mountPath: '/x.sock' },
    ])
    assert.deepEqual(
      notes.map(({ kind, at }) => `${kind} ${at.line}`),
      ['lost 8', 'lost 9', 'hint 10'],
    )
  } finally {
    rmSync(folder, { recursive: true })
  }
})
