package main

import (
	"encoding/binary"
	"encoding/json"
	"time"

	bolt "go.etcd.io/bbolt"
)

// How many answers of each target are kept: a day at one every ten seconds.
const keptAnswers = 8640

type store struct{ database *bolt.DB }

func openStore(file string) (*store, error) {
	database, err := bolt.Open(file, 0o600, &bolt.Options{Timeout: time.Second})
	return &store{database}, err
}

// Close ends the store; its file can be opened again.
func (s *store) Close() { _ = s.database.Close() }

// Add keeps one answer and forgets the oldest.
func (s *store) Add(answer Answer) error {
	text, err := json.Marshal(answer)
	if err != nil {
		return err
	}
	return s.database.Update(func(tx *bolt.Tx) error {
		bucket, err := tx.CreateBucketIfNotExists([]byte(answer.Name))
		if err != nil {
			return err
		}
		position, _ := bucket.NextSequence()
		key := make([]byte, 8)
		if position > keptAnswers {
			binary.BigEndian.PutUint64(key, position-keptAnswers)
			if err := bucket.Delete(key); err != nil {
				return err
			}
		}
		key = make([]byte, 8)
		binary.BigEndian.PutUint64(key, position)
		return bucket.Put(key, text)
	})
}

// Newest gives the last answers of a target, the newest first.
func (s *store) Newest(name string, count int) (answers []Answer, err error) {
	answers = []Answer{}
	err = s.database.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte(name))
		if bucket == nil {
			return nil
		}
		cursor := bucket.Cursor()
		for key, text := cursor.Last(); key != nil && len(answers) < count; key, text = cursor.Prev() {
			var answer Answer
			if err := json.Unmarshal(text, &answer); err != nil {
				return err
			}
			answers = append(answers, answer)
		}
		return nil
	})
	return
}
