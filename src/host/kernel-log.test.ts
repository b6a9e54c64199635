import assert from 'node:assert/strict'
import { test } from 'node:test'
import { victimsIn } from './kernel-log.ts'

const lines = (o: { constraint: string; at: string; of: string }) => [
  '4,1,1,-;tail invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0, oom_score_adj=0',
  `6,2,1,-;oom-kill:constraint=${o.constraint},nodemask=(null),cpuset=x,mems_allowed=0${o.at},task_memcg=${o.of},task=a, b,pid=8408,uid=0`,
  '3,3,1,-;Memory cgroup out of memory: Killed process 8408 (a, b) total-vm:22192kB, anon-rss:20096kB, file-rss:1264kB, shmem-rss:0kB, UID:0 pgtables:84kB oom_score_adj:0',
]

test('victimsIn() finds the processes of a cgroup, and whose memory had run out', () => {
  const limited = lines({ constraint: 'CONSTRAINT_MEMCG', at: ',oom_memcg=/g/1', of: '/g/1' })
  const held = 21_360 * 1024
  assert.deepEqual(victimsIn(limited, '/g/1'), [{ pid: 8408, name: 'a, b', limitOf: '/g/1', held }])
  assert.deepEqual(victimsIn(limited, '/g/2'), [])
  const ofHost = lines({ constraint: 'CONSTRAINT_NONE', at: ',global_oom', of: '/g/1/below' })
  assert.deepEqual(victimsIn(ofHost, '/g/1'), [{ pid: 8408, name: 'a, b', limitOf: undefined, held }])
})
