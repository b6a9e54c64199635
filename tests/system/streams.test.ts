import { streamScenarios } from './scenarios/streams.ts'

streamScenarios('gantry')
