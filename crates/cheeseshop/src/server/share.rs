//! Places for everybody: when they run short, nobody gets more who has many already.
//!
//! One client can open as many connections as the server has places, say nothing on them, and begin anew
//! when they are ended. While there is room it may: an office or a build farm behind one address has
//! many. The last places go to others.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::IpNet;

/// The places run short when less than this part of them is free.
const SHORT: usize = 8;

/// Many are more than this part of all.
const MANY: usize = 4;

/// Who has how many of the places.
#[derive(Debug)]
pub(super) struct Shares {
    all: usize,
    /// They speak for many clients.
    proxies: Vec<IpNet>,
    taken: Mutex<HashMap<IpAddr, usize>>,
}

/// A place of somebody.
#[derive(Debug)]
pub(super) struct Share {
    shares: Arc<Shares>,
    whose: IpAddr,
}

impl Shares {
    pub(super) fn of(all: usize, proxies: Vec<IpNet>) -> Arc<Self> {
        let taken = Mutex::default();
        Arc::new(Self {
            all,
            proxies,
            taken,
        })
    }

    /// A place for whoever comes from there, if there is one for them while so many are free.
    pub(super) fn take(self: &Arc<Self>, peer: IpAddr, free: usize) -> Option<Share> {
        let peer = peer.to_canonical();
        let whose = household(peer);
        let mut taken = self.taken();
        let count = taken.entry(whose).or_default();
        let is_short = free < self.all / SHORT;
        let has_many = *count > self.all / MANY;
        if is_short && has_many && !self.proxies.iter().any(|net| net.contains(&peer)) {
            return None;
        }
        *count += 1;
        Some(Share {
            shares: Arc::clone(self),
            whose,
        })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut taken = self.shares.taken();
        if let Some(count) = taken.get_mut(&self.whose) {
            *count -= 1;
            if *count == 0 {
                taken.remove(&self.whose);
            }
        }
    }
}

/// Who gets one IPv6 address gets a network of them.
fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes places one after the other, and gives those that there were.
    fn fill(
        shares: &Arc<Shares>,
        addresses: impl Iterator<Item = IpAddr>,
        left: usize,
    ) -> Vec<Share> {
        let mut own = Vec::new();
        for address in addresses {
            match shares.take(address, left - own.len()) {
                Some(share) => own.push(share),
                None => break,
            }
        }
        own
    }

    #[test]
    fn the_last_places_are_for_others() {
        let shares = Shares::of(80, Vec::new());
        let greedy: IpAddr = "192.0.2.1".parse().unwrap();
        let own = fill(&shares, std::iter::repeat_n(greedy, 80), 80);
        assert_eq!(own.len(), 71);
        let other: IpAddr = "192.0.2.2".parse().unwrap();
        let others = fill(&shares, std::iter::repeat_n(other, 9), 9);
        assert_eq!(others.len(), 9);
        // Whoever gives back gets again.
        drop(own);
        drop(others);
        assert!(shares.taken().is_empty());
        assert!(shares.take(greedy, 1).is_some());
    }

    #[test]
    fn a_network_is_one_and_a_proxy_is_many() {
        let shares = Shares::of(80, vec!["10.0.0.0/8".parse().unwrap()]);
        let network: u128 = 0x2001_0db8 << 96;
        let addresses = (0..80).map(|number| Ipv6Addr::from_bits(network + number).into());
        assert_eq!(fill(&shares, addresses, 80).len(), 71);
        let proxy: IpAddr = "::ffff:10.0.0.1".parse().unwrap();
        assert_eq!(fill(&shares, std::iter::repeat_n(proxy, 80), 80).len(), 80);
    }
}
