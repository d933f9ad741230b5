//! The manager's socket, on systems that have such sockets.

#[cfg(not(unix))]
pub(crate) use elsewhere::Socket;
#[cfg(unix)]
pub(crate) use on_unix::Socket;

#[cfg(unix)]
mod on_unix {
    use std::ffi::OsStr;
    use std::io;
    use std::os::unix::ffi::OsStrExt;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    /// An own socket, and the address of the manager's. They are not connected, so that a manager that starts again
    /// under the same name is reached.
    #[derive(Debug)]
    pub(crate) struct Socket {
        own: UnixDatagram,
        manager: SocketAddr,
    }

    impl Socket {
        /// The socket of that name: a path, or after `@` an abstract name.
        ///
        /// # Errors
        /// It is no such name, or too long for one.
        pub(crate) fn named(name: &OsStr) -> io::Result<Self> {
            let manager = match name.as_bytes() {
                [b'/', ..] => SocketAddr::from_pathname(name)?,
                [b'@', rest @ ..] if !rest.is_empty() => of_abstract_name(rest)?,
                _ => return Err(io::ErrorKind::Unsupported.into()),
            };
            let own = UnixDatagram::unbound()?;
            own.set_nonblocking(true)?;
            Ok(Self { own, manager })
        }

        /// Sends a message. Never waits.
        ///
        /// # Errors
        /// The manager's socket is not there, or has no room.
        pub(crate) fn send(&self, message: &[u8]) -> io::Result<()> {
            self.own.send_to_addr(message, &self.manager).map(drop)
        }
    }

    #[cfg(target_os = "linux")]
    fn of_abstract_name(name: &[u8]) -> io::Result<SocketAddr> {
        <SocketAddr as std::os::linux::net::SocketAddrExt>::from_abstract_name(name)
    }

    #[cfg(not(target_os = "linux"))]
    fn of_abstract_name(_name: &[u8]) -> io::Result<SocketAddr> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(not(unix))]
mod elsewhere {
    use std::ffi::OsStr;
    use std::io;

    /// There is none.
    #[derive(Debug)]
    pub(crate) struct Socket;

    impl Socket {
        pub(crate) fn named(_name: &OsStr) -> io::Result<Self> {
            Err(io::ErrorKind::Unsupported.into())
        }

        pub(crate) fn send(&self, _message: &[u8]) -> io::Result<()> {
            Ok(())
        }
    }
}
