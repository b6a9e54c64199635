import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createBody } from './create-body.ts'
import { parseFlags } from './flags.ts'
import { runFlags } from './run-flags.ts'

function body(...argv: string[]) {
  return bodyBehind({}, ...argv)
}

function bodyBehind(proxies: Record<string, string>, ...argv: string[]) {
  const { values, given, rest } = parseFlags(runFlags, argv, { interspersed: false })
  return createBody({ flags: values, given, words: rest, detach: values.detach, proxies })
}

test('proxies are variables of the container, but for those that the command line names', () => {
  const proxies = { HTTP_PROXY: 'http://p', http_proxy: 'http://p', NO_PROXY: 'local' }
  const made = bodyBehind(proxies, '-e', 'HTTP_PROXY=', '-e', 'NO_PROXY', '-e', 'A=b', 'img')
  assert.deepEqual(made.Env, ['http_proxy=http://p', 'HTTP_PROXY=', 'A=b'])
})

test('the usual flags of run become the body of create', () => {
  const made = body(
    ...'-it --rm --name web -e K=V -w /app -u 1:2 -l a=b -m 256m --cpus 0.5 --pids-limit 9 --cap-drop ALL'.split(
      ' ',
    ),
    ...'-p 8080:80 --tmpfs /run:size=1m -v data:/data -v /anon --init --read-only --network none img cmd -x'.split(
      ' ',
    ),
  )
  assert.equal(made.Image, 'img')
  assert.deepEqual(made.Cmd, ['cmd', '-x'])
  assert.deepEqual([made.Tty, made.OpenStdin, made.AttachStdin, made.StdinOnce], [true, true, true, true])
  assert.deepEqual(made.Env, ['K=V'])
  assert.deepEqual(made.Labels, { a: 'b' })
  assert.deepEqual(made.Volumes, { '/anon': {} })
  assert.deepEqual(made.ExposedPorts, { '80/tcp': {} })
  const host = made.HostConfig ?? {}
  assert.equal(host.Memory, 268_435_456)
  assert.equal(host.NanoCpus, 500_000_000)
  assert.equal(host.PidsLimit, 9)
  assert.deepEqual(host.PortBindings, { '80/tcp': [{ HostIp: '', HostPort: '8080' }] })
  assert.deepEqual(host.Tmpfs, { '/run': 'size=1m' })
  assert.deepEqual(host.Binds, ['data:/data'])
  assert.deepEqual([host.Init, host.ReadonlyRootfs, host.AutoRemove], [true, true, true])
  assert.equal(host.NetworkMode, 'none')
})

test('what was not said is not sent', () => {
  const made = body('img')
  assert.deepEqual(Object.keys(made.HostConfig ?? {}).toSorted(), [
    'AutoRemove',
    'Binds',
    'PortBindings',
    'Privileged',
    'PublishAllPorts',
    'ReadonlyRootfs',
    'RestartPolicy',
  ])
  assert.equal('NetworkingConfig' in made, false)
  assert.equal('Cmd' in made, false)
})

test('detached, nothing is attached', () => {
  const made = body('-d', '-i', 'img')
  assert.deepEqual(
    [made.AttachStdin, made.AttachStdout, made.StdinOnce, made.OpenStdin],
    [false, false, false, true],
  )
})

test('an empty entrypoint resets, mounts and networks are taken apart', () => {
  assert.deepEqual(body('--entrypoint', '', 'img').Entrypoint, [''])
  assert.deepEqual(body('--mount', 'type=bind,src=/a,dst=/b,ro', 'img').HostConfig?.Mounts, [
    { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true },
  ])
  const made = body('--network', 'name=web,alias=a,ip=1.2.3.4', 'img')
  assert.equal(made.HostConfig?.NetworkMode, 'web')
  assert.deepEqual(made.NetworkingConfig?.EndpointsConfig, {
    web: { Aliases: ['a'], IPAMConfig: { IPv4Address: '1.2.3.4' } },
  })
  assert.deepEqual(body('--security-opt', 'systempaths=unconfined', 'img').HostConfig?.MaskedPaths, [])
})

test("contradictions and nonsense are refused in docker's words", () => {
  for (const [argv, message] of [
    ['nope:::x', 'invalid reference format'],
    ['-p 99999:80 x', 'invalid hostPort: 99999'],
    ['-p 80:abc x', 'invalid containerPort: abc'],
    ['-p 80-82:80-81 x', 'invalid ranges specified for container and host Ports: 80-81 and 80-82'],
    ['-p 80/foo x', 'invalid proto: foo'],
    ['--rm --restart always x', 'conflicting options: cannot specify both --restart and --rm'],
    ['--pull foo x', `invalid pull option: 'foo': must be one of "always", "missing" or "never"`],
    ['--env-file /nope x', 'open /nope: no such file or directory'],
    ['--no-healthcheck --health-cmd a x', '--no-healthcheck conflicts with --health-* options'],
    ['--kernel-memory 1m x', '--kernel-memory is not supported: the kernel has dropped this limit'],
    ['--mount src=/a x', 'invalid argument "src=/a" for "--mount" flag: target is required'],
    [
      '--mount dst=/a,foo=1 x',
      `invalid argument "dst=/a,foo=1" for "--mount" flag: unexpected key 'foo' in 'foo=1'`,
    ],
    ['--ulimit x y', 'invalid argument "x" for "--ulimit" flag: invalid ulimit argument: x'],
    ['--cpus x y', 'invalid argument "x" for "--cpus" flag: failed to parse x as a rational number'],
    [
      '-a foo x',
      'invalid argument "foo" for "-a, --attach" flag: valid streams are STDIN, STDOUT and STDERR',
    ],
  ] as const)
    assert.throws(() => body(...argv.split(' ')), { message }, argv)
})

test('port ranges: one container port may take any host port of a range', () => {
  assert.deepEqual(body('-p', '8000-8002:80-82', 'x').HostConfig?.PortBindings?.['81/tcp'], [
    { HostIp: '', HostPort: '8001' },
  ])
  assert.deepEqual(body('-p', '8000-8010:80', 'x').HostConfig?.PortBindings, {
    '80/tcp': [{ HostIp: '', HostPort: '8000-8010' }],
  })
  assert.deepEqual(body('-p', '[::1]:53:53/UDP', 'x').HostConfig?.PortBindings, {
    '53/udp': [{ HostIp: '::1', HostPort: '53' }],
  })
  assert.deepEqual(body('-p', 'target=80,published=8080', 'x').HostConfig?.PortBindings, {
    '80/tcp': [{ HostIp: '', HostPort: '8080' }],
  })
})
