import { userNetworkScenarios } from './scenarios/user-networks.ts'

userNetworkScenarios('gantry')
