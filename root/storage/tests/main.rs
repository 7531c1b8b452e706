//! Every engine against the contract, and the engine on disk against crashes.

mod engines;
