import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkHostConfig } from './check-host-config.ts'
import { hostFacts } from './host-facts.ts'

const facts = { ...hostFacts(), cpus: 2, cpuList: '0-1', capabilities: ['CAP_CHOWN'] }

test('checkHostConfig() refuses in docker’s words what no container can have here', () => {
  for (const [config, message] of [
    [{ NanoCpus: 100e9 }, 'Range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available'],
    [{ CpusetCpus: '99' }, 'Requested CPUs are not available - requested 99, available: 0-1'],
    [{ CapAdd: ['NOPE'] }, 'invalid CapAdd: unknown capability: "CAP_NOPE"'],
    [{ OomScoreAdj: 2000 }, 'Invalid value 2000, range for oom score adj is [-1000, 1000]'],
    [{ CpuQuota: 1 }, 'CPU cfs quota can not be less than 1ms (i.e. 1000)'],
    [{ BlkioWeight: 5 }, 'Range of blkio weight is from 10 to 1000'],
    [{ Memory: 1 << 20 }, 'Minimum memory limit allowed is 6MB'],
    [{ NanoCpus: 1e9, CpuQuota: 5000 }, 'Conflicting options: Nano CPUs and CPU Quota cannot both be set'],
  ] as const)
    assert.throws(() => checkHostConfig(config as object, facts), { kind: 'invalid', message })
  checkHostConfig({ NanoCpus: 2e9, CpusetCpus: '0,1', CapAdd: ['chown'], Memory: 6 << 20 }, facts)
})
