//! One open folder. Names are looked up in it alone, and a symbolic link is never followed: on Unix every call
//! goes through the folder's descriptor, so not even a link that is put in the way meanwhile leads out.

#[cfg(not(unix))]
pub use portable::Folder;
#[cfg(unix)]
pub use unix::Folder;

/// What a name in a folder stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link, wherever it leads.
    Symlink,
    /// A pipe, a socket, a device.
    Special,
    /// Whatever has a name that is not UTF-8.
    Nameless,
}

/// A name and what it stands for.
pub type Item = (String, Kind);

#[cfg(unix)]
mod unix {
    use std::fs::File;
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};

    use rustix::fs::{Access, AtFlags, CWD, Dir, FileType, Mode, OFlags};
    use rustix::io::Errno;

    use super::{Item, Kind};

    /// An open folder.
    pub struct Folder(OwnedFd);

    impl Folder {
        /// Opens the folder at `path`. The path up to its last component is the caller's word; the last
        /// component must not be a symbolic link.
        pub fn at(path: &Path) -> io::Result<Self> {
            // A trailing slash would make the system follow a link.
            let path: PathBuf = path.components().collect();
            let path = if path.as_os_str().is_empty() { Path::new(".") } else { &path };
            Ok(Self(rustix::fs::openat(CWD, path, folder_flags(), Mode::empty())?))
        }

        /// Opens a folder in this one.
        pub fn open(&self, name: &str) -> io::Result<Self> {
            Ok(Self(rustix::fs::openat(&self.0, name, folder_flags(), Mode::empty())?))
        }

        /// Makes a folder in this one.
        pub fn make(&self, name: &str) -> io::Result<()> {
            Ok(rustix::fs::mkdirat(&self.0, name, Mode::from_raw_mode(0o777))?)
        }

        /// Everything in it, in no order.
        pub fn list(&self) -> io::Result<Vec<Item>> {
            let mut items = Vec::new();
            for entry in Dir::read_from(&self.0)? {
                let entry = entry?;
                let Ok(name) = entry.file_name().to_str() else {
                    items.push((entry.file_name().to_string_lossy().into_owned(), Kind::Nameless));
                    continue;
                };
                if matches!(name, "." | "..") {
                    continue;
                }
                let kind = match entry.file_type() {
                    FileType::Unknown => self.kind(name)?,
                    known => Some(kind_of(known)),
                };
                items.extend(kind.map(|kind| (name.to_owned(), kind)));
            }
            Ok(items)
        }

        /// What a name stands for; none if there is nothing.
        pub fn kind(&self, name: &str) -> io::Result<Option<Kind>> {
            match rustix::fs::statat(&self.0, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => Ok(Some(kind_of(FileType::from_raw_mode(stat.st_mode)))),
                Err(Errno::NOENT) => Ok(None),
                Err(error) => Err(error.into()),
            }
        }

        /// Opens a file for reading. Does not wait for the other end of a pipe.
        pub fn read(&self, name: &str) -> io::Result<File> {
            let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(&self.0, name, flags, Mode::empty())?.into())
        }

        /// Makes a file that is not there yet, readable as the user's umask has it.
        pub fn write_new(&self, name: &str) -> io::Result<File> {
            let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?.into())
        }

        /// Opens a file to lock it, made if it is missing.
        pub fn open_or_make(&self, name: &str) -> io::Result<File> {
            let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
            Ok(rustix::fs::openat(&self.0, name, flags, Mode::from_raw_mode(0o666))?.into())
        }

        /// Puts a file in the place of another, at once.
        pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            Ok(rustix::fs::renameat(&self.0, from, &self.0, to)?)
        }

        /// Removes a file or a link.
        pub fn remove(&self, name: &str) -> io::Result<()> {
            Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::empty())?)
        }

        /// Removes a folder that holds nothing.
        pub fn remove_folder(&self, name: &str) -> io::Result<()> {
            Ok(rustix::fs::unlinkat(&self.0, name, AtFlags::REMOVEDIR)?)
        }

        /// Fails where files could not be made or removed.
        pub fn expect_writable(&self) -> io::Result<()> {
            let access = Access::WRITE_OK | Access::EXEC_OK;
            Ok(rustix::fs::accessat(&self.0, ".", access, AtFlags::empty())?)
        }

        /// Makes names last: what was renamed and removed stays so after a power cut.
        pub fn sync(&self) -> io::Result<()> {
            match rustix::fs::fsync(&self.0) {
                // Some network file systems cannot sync a folder.
                Err(Errno::INVAL | Errno::BADF) => Ok(()),
                other => Ok(other?),
            }
        }

        /// A handle to lock.
        pub fn handle(&self) -> io::Result<File> {
            Ok(self.0.try_clone()?.into())
        }
    }

    fn folder_flags() -> OFlags {
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC
    }

    fn kind_of(kind: FileType) -> Kind {
        match kind {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Symlink,
            _ => Kind::Special,
        }
    }
}

#[cfg(not(unix))]
mod portable {
    use std::fs::{self, File, FileType, OpenOptions};
    use std::io;
    use std::path::{Path, PathBuf};

    use super::{Item, Kind};

    /// A folder by its path. Looks before each step; a link put in the way between look and step is followed.
    pub struct Folder(PathBuf);

    impl Folder {
        /// Opens the folder at `path`. The path up to its last component is the caller's word; the last
        /// component must not be a symbolic link.
        pub fn at(path: &Path) -> io::Result<Self> {
            let path: PathBuf = path.components().collect();
            let path = if path.as_os_str().is_empty() { PathBuf::from(".") } else { path };
            match kind_of(fs::symlink_metadata(&path)?.file_type()) {
                Kind::Folder => Ok(Self(path)),
                Kind::File | Kind::Symlink | Kind::Special => Err(io::ErrorKind::NotADirectory.into()),
            }
        }

        /// Opens a folder in this one.
        pub fn open(&self, name: &str) -> io::Result<Self> {
            Self::at(&self.0.join(name))
        }

        /// Makes a folder in this one.
        pub fn make(&self, name: &str) -> io::Result<()> {
            fs::create_dir(self.0.join(name))
        }

        /// Everything in it, in no order.
        pub fn list(&self) -> io::Result<Vec<Item>> {
            let mut items = Vec::new();
            for entry in fs::read_dir(&self.0)? {
                let entry = entry?;
                let kind = kind_of(entry.file_type()?);
                items.push(match entry.file_name().into_string() {
                    Ok(name) => (name, kind),
                    Err(name) => (name.to_string_lossy().into_owned(), Kind::Nameless),
                });
            }
            Ok(items)
        }

        /// What a name stands for; none if there is nothing.
        pub fn kind(&self, name: &str) -> io::Result<Option<Kind>> {
            match fs::symlink_metadata(self.0.join(name)) {
                Ok(found) => Ok(Some(kind_of(found.file_type()))),
                Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
                Err(error) => Err(error),
            }
        }

        /// Opens a file for reading.
        pub fn read(&self, name: &str) -> io::Result<File> {
            match self.kind(name)? {
                Some(Kind::File) => File::open(self.0.join(name)),
                _ => Err(io::ErrorKind::InvalidInput.into()),
            }
        }

        /// Makes a file that is not there yet.
        pub fn write_new(&self, name: &str) -> io::Result<File> {
            OpenOptions::new().write(true).create_new(true).open(self.0.join(name))
        }

        /// Opens a file to lock it, made if it is missing.
        pub fn open_or_make(&self, name: &str) -> io::Result<File> {
            let path = self.0.join(name);
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)
        }

        /// Puts a file in the place of another, at once.
        pub fn rename(&self, from: &str, to: &str) -> io::Result<()> {
            fs::rename(self.0.join(from), self.0.join(to))
        }

        /// Removes a file or a link.
        pub fn remove(&self, name: &str) -> io::Result<()> {
            fs::remove_file(self.0.join(name))
        }

        /// Removes a folder that holds nothing.
        pub fn remove_folder(&self, name: &str) -> io::Result<()> {
            fs::remove_dir(self.0.join(name))
        }

        /// Cannot be told beforehand here.
        pub fn expect_writable(&self) -> io::Result<()> {
            Ok(())
        }

        /// The system keeps names by itself.
        pub fn sync(&self) -> io::Result<()> {
            Ok(())
        }

        /// A folder cannot be locked here.
        pub fn handle(&self) -> io::Result<File> {
            Err(io::ErrorKind::Unsupported.into())
        }
    }

    fn kind_of(kind: FileType) -> Kind {
        if kind.is_symlink() {
            Kind::Symlink
        } else if kind.is_dir() {
            Kind::Folder
        } else if kind.is_file() {
            Kind::File
        } else {
            Kind::Special
        }
    }
}
