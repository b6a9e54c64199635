import { networkScenarios } from './scenarios/network.ts'

networkScenarios('gantry')
