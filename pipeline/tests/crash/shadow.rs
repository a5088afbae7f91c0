//! What a disk holds: of every file what was synced and what was not, of every folder likewise.
//!
//! The strict reading of the rules: the content of a file is safe once the file was synced, its name once the
//! folder was. What was not synced may survive a power cut whole, in part or not at all; only the entries of
//! one folder keep their order.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail, ensure};

use crate::content::Content;
use crate::operations::{Operation, Operations};
use crate::survivors::{Edit, Entries, Entry, Id, Luck, Survivors};

const ROOT: Id = Id(0);

#[derive(Debug)]
enum Object {
    File { synced: Content, since: Vec<Edit> },
    Folder { synced: Entries, now: Entries, since: Vec<Entry> },
}

/// The disk.
#[derive(Debug)]
pub(crate) struct Shadow {
    objects: Vec<Object>,
    by_inode: BTreeMap<u64, Id>,
}

impl Shadow {
    /// The disk below `root`, all of it synced.
    pub(crate) fn of(root: &Path) -> Result<Shadow> {
        let mut shadow = Shadow { objects: Vec::new(), by_inode: BTreeMap::new() };
        shadow.take_in(root)?;
        Ok(shadow)
    }

    fn take_in(&mut self, path: &Path) -> Result<Id> {
        let metadata = fs::symlink_metadata(path)?;
        let id = if metadata.is_dir() {
            let id = self.add(metadata.ino(), folder(Entries::new()));
            let mut entries = Entries::new();
            for entry in fs::read_dir(path)? {
                let entry = entry?;
                let name = entry.file_name().into_string().ok().context("a name in UTF-8")?;
                entries.insert(name, self.take_in(&entry.path())?);
            }
            self.objects[id.0] = folder(entries);
            id
        } else {
            let object = Object::File { synced: Content::read(path)?, since: Vec::new() };
            self.add(metadata.ino(), object)
        };
        Ok(id)
    }

    fn add(&mut self, inode: u64, object: Object) -> Id {
        self.objects.push(object);
        let id = Id(self.objects.len() - 1);
        // An inode that was given before belongs to the newest: the one before is gone.
        self.by_inode.insert(inode, id);
        id
    }

    /// Follows what a process did below `root`, up to where it was killed.
    pub(crate) fn follow(&mut self, operations: Operations, root: &Path) -> Result<()> {
        for operation in operations.done {
            self.apply(operation)?;
        }
        if let Some(operation) = operations.unfinished
            && let Some(done) = self.settled(operation, root)?
        {
            self.apply(done)?;
        }
        Ok(())
    }

    fn apply(&mut self, operation: Operation) -> Result<()> {
        match operation {
            Operation::Create { path, file } => {
                let id =
                    self.add(file, Object::File { synced: Content::default(), since: Vec::new() });
                if !path.is_empty() {
                    let (folder, name) = self.place(&path)?;
                    self.change(folder, Entry::Named(name, id))?;
                }
            }
            Operation::MakeFolder { path, file } => {
                let id = self.add(file, folder(Entries::new()));
                let (folder, name) = self.place(&path)?;
                self.change(folder, Entry::Named(name, id))?;
            }
            Operation::Write { file, offset, data } => {
                self.edit(file, Edit::Write { offset, data })?
            }
            Operation::Size { file, size } => self.edit(file, Edit::Size(size))?,
            Operation::Sync { file } => self.sync(*self.by_inode.get(&file).context("an inode")?),
            Operation::SyncAll => (0..self.objects.len()).for_each(|index| self.sync(Id(index))),
            Operation::Rename { from, to } => {
                let ((folder, name), (other_folder, other)) =
                    (self.place(&from)?, self.place(&to)?);
                ensure!(folder == other_folder, "{from} was moved to another folder: {to}");
                self.change(folder, Entry::Renamed(name, other))?;
            }
            Operation::Unlink { path } => {
                let (folder, name) = self.place(&path)?;
                self.change(folder, Entry::Unnamed(name))?;
            }
        }
        Ok(())
    }

    fn edit(&mut self, inode: u64, edit: Edit) -> Result<()> {
        let id = self.by_inode.get(&inode).context("a file that was never made")?;
        let Object::File { since, .. } = &mut self.objects[id.0] else {
            bail!("a folder written to")
        };
        since.push(edit);
        Ok(())
    }

    fn change(&mut self, id: Id, entry: Entry) -> Result<()> {
        let Object::Folder { now, since, .. } = &mut self.objects[id.0] else { bail!("no folder") };
        entry.apply(now).with_context(|| format!("{entry:?} of {now:?}"))?;
        since.push(entry);
        Ok(())
    }

    fn sync(&mut self, id: Id) {
        match &mut self.objects[id.0] {
            Object::File { synced, since } => {
                since.drain(..).for_each(|edit| edit.apply(synced));
            }
            Object::Folder { synced, now, since } => {
                since.clear();
                synced.clone_from(now);
            }
        }
    }

    /// The folder that a path lies in, and its name there.
    fn place(&self, path: &str) -> Result<(Id, String)> {
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", path));
        let id = self.find(folder).with_context(|| format!("{path}: no such folder"))?;
        Ok((id, name.to_owned()))
    }

    fn find(&self, path: &str) -> Option<Id> {
        path.split('/').filter(|name| !name.is_empty()).try_fold(ROOT, |id, name| {
            let Object::Folder { now, .. } = &self.objects[id.0] else { return None };
            now.get(name).copied()
        })
    }

    /// Whether and how far a call took effect that a kill cut off, judged by what is there.
    fn settled(&self, operation: Operation, root: &Path) -> Result<Option<Operation>> {
        let inode =
            |path: &str| fs::symlink_metadata(root.join(path)).ok().map(|found| found.ino());
        let known = |path: &str| self.find(path).is_some();
        Ok(match operation {
            Operation::Create { path, .. } => {
                inode(&path).filter(|_| !known(&path)).map(|file| Operation::Create { path, file })
            }
            Operation::MakeFolder { path, .. } => inode(&path)
                .filter(|_| !known(&path))
                .map(|file| Operation::MakeFolder { path, file }),
            Operation::Rename { from, to } => {
                inode(&from).is_none().then_some(Operation::Rename { from, to })
            }
            Operation::Unlink { path } => {
                (known(&path) && inode(&path).is_none()).then_some(Operation::Unlink { path })
            }
            Operation::Write { file, offset, mut data } => {
                let Some(found) = self.on_disk(file, root)? else { return Ok(None) };
                data.truncate(found.agrees(offset, &data));
                (!data.is_empty()).then_some(Operation::Write { file, offset, data })
            }
            Operation::Size { file, size } => {
                let found = self.on_disk(file, root)?;
                found.filter(|found| found.size() == size).map(|_| Operation::Size { file, size })
            }
            // Nobody was told that it is safe.
            Operation::Sync { .. } | Operation::SyncAll => None,
        })
    }

    fn on_disk(&self, inode: u64, root: &Path) -> Result<Option<Content>> {
        let id = self.by_inode.get(&inode).context("a file that was never made")?;
        let mut paths = Vec::new();
        self.paths(ROOT, "", &mut paths);
        let path = paths.into_iter().find(|(_, found)| found == id).map(|(path, _)| path);
        path.map(|path| Ok(Content::read(&root.join(path))?)).transpose()
    }

    fn paths(&self, id: Id, path: &str, out: &mut Vec<(String, Id)>) {
        let Object::Folder { now, .. } = &self.objects[id.0] else { return };
        for (name, id) in now {
            let path = if path.is_empty() { name.clone() } else { format!("{path}/{name}") };
            out.push((path.clone(), *id));
            self.paths(*id, &path, out);
        }
    }

    /// Fails where the disk below `root` is not what the calls made of it: then one was missed.
    pub(crate) fn compare(&self, root: &Path) -> Result<()> {
        let mut paths = Vec::new();
        self.paths(ROOT, "", &mut paths);
        let mut expected: Vec<String> = paths.iter().map(|(path, _)| path.clone()).collect();
        expected.sort();
        let mut found = Vec::new();
        list(root, "", &mut found)?;
        found.sort();
        ensure!(
            expected == found,
            "the file layer missed a call: expected {expected:?}, found {found:?}"
        );
        for (path, id) in paths {
            if let Object::File { synced, since } = &self.objects[id.0] {
                let mut content = synced.clone();
                since.iter().for_each(|edit| edit.apply(&mut content));
                let same = content == Content::read(&root.join(&path))?;
                ensure!(same, "the file layer missed a call: {path} holds something else");
            }
        }
        Ok(())
    }

    /// Writes what is left after a power cut to `root`, which must be empty.
    pub(crate) fn cut(&self, root: &Path, luck: Luck<'_>) -> Result<()> {
        let mut survivors = Survivors::of(luck);
        self.write(ROOT, root, &mut survivors)
    }

    fn write(&self, id: Id, path: &Path, survivors: &mut Survivors<'_>) -> Result<()> {
        match &self.objects[id.0] {
            Object::File { synced, since } => Ok(survivors.content(synced, since).write(path)?),
            Object::Folder { synced, since, .. } => {
                if id != ROOT {
                    fs::create_dir(path)?;
                }
                let mut entries = synced.clone();
                for entry in &since[..survivors.entries(since.len())] {
                    entry.apply(&mut entries)?;
                }
                entries
                    .iter()
                    .try_for_each(|(name, id)| self.write(*id, &path.join(name), survivors))
            }
        }
    }
}

fn folder(entries: Entries) -> Object {
    Object::Folder { synced: entries.clone(), now: entries, since: Vec::new() }
}

fn list(folder: &Path, above: &str, out: &mut Vec<String>) -> Result<()> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().into_string().ok().context("a name in UTF-8")?;
        let path = if above.is_empty() { name } else { format!("{above}/{name}") };
        out.push(path.clone());
        if entry.file_type()?.is_dir() {
            list(&entry.path(), &path, out)?;
        }
    }
    Ok(())
}
