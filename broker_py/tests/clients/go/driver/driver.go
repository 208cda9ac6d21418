// SPDX-License-Identifier: Apache-2.0

// Package driver is what the drivers written in Go share: conditions, scenarios of groups, and a line of JSON per
// feature (features.py).
package driver

import (
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"sort"
	"strings"
	"time"
)

const (
	Deadline    = 60 * time.Second
	Count       = 100
	OthersCount = 20
)

var (
	Servers = strings.Split(os.Args[1], ",")
	prefix  = os.Args[3]
)

// Feature is one of features.py, in the order in which they are tried.
type Feature struct {
	Name string
	Run  func()
}

func Topic(feature string) string { return prefix + "." + feature }

func Check(err error) {
	if err != nil {
		panic(err)
	}
}

func Expect(found, wanted any, what string) {
	if !reflect.DeepEqual(found, wanted) {
		panic(fmt.Sprintf("%s: %v, not %v", what, found, wanted))
	}
}

func Until(condition func() bool, what string) {
	for end := time.Now().Add(Deadline); !condition(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			panic("waited for " + what)
		}
	}
}

func Numbered(text string, count int) []string {
	values := make([]string, count)
	for number := range values {
		values[number] = fmt.Sprintf("%s%d", text, number)
	}
	return values
}

// CodecValues are long enough that no producer finds them not worth compressing.
func CodecValues(codec string) []string {
	return Numbered(codec+" "+strings.Repeat("squeeze ", 20), 50)
}

func Sorted(values []string) []string {
	values = slices.Clone(values)
	sort.Strings(values)
	return values
}

// Drive tries every feature in turn; one that fails does not keep the next from being tried.
func Drive(features []Feature, notInClient map[string]string) {
	only := os.Args[4:]
	for name, why := range notInClient {
		answer(name, "no", why)
	}
	for _, feature := range features {
		if len(only) == 0 || slices.Contains(only, feature.Name) {
			try(feature)
		}
	}
	os.Exit(0)
}

func try(feature Feature) {
	defer func() {
		if failure := recover(); failure != nil {
			answer(feature.Name, "FAILED", fmt.Sprint(failure))
		}
	}()
	feature.Run()
	answer(feature.Name, "yes", "")
}

func answer(feature, cell, why string) {
	line, _ := json.Marshal(map[string]string{"feature": feature, "cell": cell, "why": why})
	fmt.Println(string(line))
}

// Member is a member of a group.
type Member interface {
	Owned() []int32 // sorted
	Lost() []int32  // since Forget
	Forget()
	Values() []string
	Commit()
	Close()
}

// ShareAndResume are the features rebalance and cooperative.
func ShareAndResume(start func() Member, write func(value string, partition int32), cooperative bool) {
	all := []int32{0, 1, 2, 3}
	for number := range 40 {
		write(fmt.Sprintf("before %d", number), int32(number%4))
	}
	one := start()
	Until(func() bool { return slices.Equal(one.Owned(), all) && len(one.Values()) >= 40 }, "one member to have all")
	one.Commit()
	one.Forget()
	two := start()
	Until(func() bool {
		first, second := one.Owned(), two.Owned()
		both := append(slices.Clone(first), second...)
		slices.Sort(both)
		return len(first) == 2 && len(second) == 2 && slices.Equal(both, all)
	}, "two members to share")
	if cooperative {
		Expect(len(one.Lost()), 2, "partitions that the first member lost")
	}
	two.Close()
	Until(func() bool { return slices.Equal(one.Owned(), all) }, "the first to have all again")
	one.Close()
	for number := range 4 {
		write(fmt.Sprintf("after %d", number), int32(number))
	}
	three := start()
	Until(func() bool { return len(three.Values()) >= 4 }, "the records after the committed offsets")
	Expect(Sorted(three.Values()), Numbered("after ", 4), "values")
	three.Close()
}

// ReturnInSession is the feature static-member.
func ReturnInSession(start func(instance string) Member) {
	one, two := start("one"), start("two")
	Until(func() bool { return len(one.Owned()) == 2 && len(two.Owned()) == 2 }, "two members to share")
	before := two.Owned()
	two.Close()
	one.Forget()
	two = start("two")
	Until(func() bool { return len(one.Owned()) == 2 && slices.Equal(two.Owned(), before) },
		"the second to have its partitions again")
	Expect(len(one.Lost()), 0, "partitions that the first lost")
	one.Close()
	two.Close()
}
