package locking

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// MaxRecord is the size in bytes up to which a record is written or read: about
// sixty processes.
const MaxRecord = 32 << 10

// Encode returns the record as indented JSON, ending in a newline.
// It fails if the record is larger than [MaxRecord].
func (r *Record) Encode() ([]byte, error) {
	value, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("locking: encode record: %w", err)
	}
	if len(value) >= MaxRecord {
		return nil, fmt.Errorf("locking: %d processes do not fit into one lock record: close the database in some of them", len(r.Entries))
	}
	return append(value, '\n'), nil
}

// DecodeRecord reads what [Record.Encode] wrote. A nil or empty value is the
// record of a register that was never written. Everything else that is not
// exactly a valid record is [ErrRecord], with what is wrong and what to do.
func DecodeRecord(value []byte) (Record, error) {
	if len(value) == 0 {
		return Record{Format: RecordFormat}, nil
	}
	if len(value) > MaxRecord {
		return Record{}, fmt.Errorf("%w: %d bytes are more than the %d of any record; this is not a holdfast lock", ErrRecord, len(value), MaxRecord)
	}
	if err := checkFormat(value); err != nil {
		return Record{}, err
	}
	var r Record
	d := json.NewDecoder(bytes.NewReader(value))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return Record{}, fmt.Errorf("%w: %w; if nobody has the database open, run holdfast adopt", ErrRecord, err)
	}
	if err := r.validate(); err != nil {
		return Record{}, fmt.Errorf("%w: %w; if nobody has the database open, run holdfast adopt", ErrRecord, err)
	}
	return r, nil
}

// checkFormat sees to it that value is one JSON object and nothing more, and looks
// at the format alone, so that a newer record is called that and not malformed.
func checkFormat(value []byte) error {
	var head struct {
		Format *int `json:"holdfast"`
	}
	err := json.Unmarshal(value, &head)
	switch {
	case err != nil && truncated(err):
		return fmt.Errorf("%w: it is truncated after %d bytes; if nobody has the database open, run holdfast adopt", ErrRecord, len(value))
	case err != nil || head.Format == nil:
		return fmt.Errorf("%w: it was not written by holdfast", ErrRecord)
	case *head.Format > RecordFormat:
		return fmt.Errorf("%w: format %d was written by a newer holdfast (this one knows %d); upgrade this program", ErrRecord, *head.Format, RecordFormat)
	case *head.Format < 1:
		return fmt.Errorf("%w: format %d does not exist", ErrRecord, *head.Format)
	}
	return nil
}

func truncated(err error) bool {
	var syntax *json.SyntaxError
	return errors.As(err, &syntax) && strings.Contains(syntax.Error(), "unexpected end")
}

// validate refuses a record that no sequence of steps leads to, as far as its
// shape tells.
func (r *Record) validate() error {
	if err := r.validateFiles(); err != nil {
		return err
	}
	seen := make(map[string]bool, len(r.Entries))
	writers, shared, exclusive := 0, 0, 0
	for i := range r.Entries {
		e := &r.Entries[i]
		switch {
		case e.Holder.ID == "":
			return errors.New("a holder has no id")
		case seen[e.Holder.ID]:
			return fmt.Errorf("holder %s is in twice", e.Holder.ID)
		case e.TTL <= 0:
			return fmt.Errorf("holder %s has no ttl", e.Holder.ID)
		case e.Level == None && !e.Waits():
			return fmt.Errorf("holder %s neither holds nor waits", e.Holder.ID)
		case e.Wants != None && !e.Waits():
			return fmt.Errorf("holder %s waits for %v and holds %v", e.Holder.ID, e.Wants, e.Level)
		}
		seen[e.Holder.ID] = true
		switch {
		case e.Level == Exclusive:
			exclusive++
		case e.Level.Writing():
			writers++
		case e.Level == Shared:
			shared++
		}
	}
	if exclusive+writers > 1 || exclusive > 0 && shared > 0 {
		return errors.New("two holders exclude each other")
	}
	return nil
}

// validateFiles refuses names that no takeover gives: in particular such as lie
// outside the directory of the database.
func (r *Record) validateFiles() error {
	if strings.ContainsAny(r.Database, "/\\\x00") || r.Database == "." || r.Database == ".." {
		return fmt.Errorf("database %q is not a base name", r.Database)
	}
	names := slices.Clone(r.Old)
	if r.File != "" {
		names = append(names, r.File)
	}
	if t := r.Takeover; t != nil {
		if i := r.index(t.By); t.By != "" && (i < 0 || r.Entries[i].Level != Exclusive) {
			return errors.New("whoever copies the database does not hold it")
		}
		if (t.By == "") != (t.To == "") {
			return errors.New("a copy of the database has no holder or no name")
		}
		if t.To != "" && t.To != r.Database {
			names = append(names, t.To)
		}
	}
	for _, name := range names {
		if database, epoch, ok := ParseFileName(name); !ok || database != r.Database || epoch > r.Epoch {
			return fmt.Errorf("file %q is not a copy of the database %q up to epoch %d", name, r.Database, r.Epoch)
		}
	}
	return nil
}
